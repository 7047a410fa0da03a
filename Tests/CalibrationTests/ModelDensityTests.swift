import Attention
import Calibration
import JSON
import LabTestSupport
import Records
import Tensors
import Testing
import Threads

@Suite("A density over the model")
struct ModelDensityTests {
  private static let shape = AttentionShape(
    layers: 3, queryHeads: 4, kvHeads: 2, headDimension: 16)
  private static let prompts = [304, 250]

  /// By prompt and layer: attention that is more concentrated the later the layer.
  private let sequences = prompts.map { tokens in
    (0..<shape.layers).map { layer in
      let random = CalibrationSequence(shape, tokens: tokens, seed: tokens + layer).attention
      var queries = random.queries
      for index in queries.elements.indices { queries.elements[index] *= 0.4 + 0.6 * Float(layer) }
      return CalibrationSequence(
        ReferenceAttention(
          shape: shape, queries: queries, keys: random.keys, values: random.values))
    }
  }

  private func attend(
    _ attention: any LayerAttention, prompt: Int
  ) -> [Int] {
    sequences[prompt].enumerated().map { layer, sequence in
      let inputs = sequence.attention
      var output = Matrix(rows: inputs.queries.rows, columns: inputs.queries.columns)
      return attention.attend(
        layer: layer, phase: .prefill, queries: inputs.queries, keys: inputs.keys,
        values: inputs.values, firstPosition: 0, output: &output
      ).pairs.reduce(0) { $0 + $1.nominal }
    }
  }

  /// Query-key pairs of all prompts by layer.
  private func pairs(
    _ configured: ConfiguredStrategy, _ workspace: Workspace
  ) -> [Int] {
    Self.prompts.enumerated().reduce([0, 0, 0]) { sums, prompt in
      let session = AttentionSession(
        configured.forPrompt(of: prompt.element, shape: Self.shape), shape: Self.shape,
        workspace: workspace)
      return zip(sums, attend(session, prompt: prompt.offset)).map { $0 + $1 }
    }
  }

  private static func configure(
    _ name: String, _ budget: JSONValue, _ extra: [String: JSONValue] = [:]
  ) throws -> ConfiguredStrategy {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    let size: JSONValue = ["blockSize": 16, "budget": budget]
    return try entry.configure(.object((size.objectValue ?? [:]).merging(extra) { $1 }))
  }

  private func levelled(
    _ configured: ConfiguredStrategy, _ workspace: Workspace
  ) -> ConfiguredStrategy {
    configured.levelled(
      sized: configured.forPrompt(of: Self.prompts[0], shape: Self.shape), shape: Self.shape,
      workspace: workspace, prompts: Self.prompts
    ) { _ = attend($1, prompt: $0) }
  }

  private static let causal = prompts.reduce(0) { $0 + $1 * ($1 + 1) / 2 } * shape.queryHeads

  @Test(
    "One level holds the density over all layers, nearly reaches it, and layers differ as they like",
    arguments: ["minference", "flex-prefill", "xattention"], [0.2, 0.5])
  func holds(name: String, density: Double) throws {
    let workspace = Workspace(workers: try WorkerPool(threadCount: 2))
    let extra: [String: JSONValue] =
      name == "minference" ? ["heads": .array((0..<12).map { .integer($0 % 3) })] : [:]
    let configured = try Self.configure(
      name, ["density": .number(density)], extra.merging(["densityScope": "model"]) { $1 })
    let found = levelled(configured, workspace)
    let shares = pairs(found, workspace).map { Double($0) / Double(Self.causal) }
    let mean = shares.reduce(0, +) / 3
    #expect(mean <= density && mean > density - 0.03, "\(shares)")
    // One scale of MInference's sizes makes layers alike but for their patterns.
    let apart = (shares.max() ?? 0) - (shares.min() ?? 0)
    if density == 0.5 { #expect(apart > (name == "minference" ? 0.005 : 0.05), "\(shares)") }
    // Held by each layer, they do not differ.
    let each = try Self.configure(name, ["density": .number(density)], extra)
    let alike = pairs(levelled(each, workspace), workspace)
    #expect(alike.allSatisfy { Double($0) / Double(Self.causal) <= density })
    #expect(alike == pairs(each, workspace))
  }

  @Test(
    "The level is the largest of a fine grid of thresholds at which the pairs stay within the density",
    arguments: ["flex-prefill", "xattention"])
  func grid(name: String) throws {
    let workspace = Workspace(workers: try WorkerPool(threadCount: 2))
    let density = 0.35
    let limit = density * Double(3 * Self.causal)
    let held = levelled(
      try Self.configure(name, ["density": .number(density)], ["densityScope": "model"]), workspace)
    let found = pairs(held, workspace).reduce(0, +)
    let grid = try stride(from: 0.0, to: 1, by: 0.01).map { threshold in
      pairs(try Self.configure(name, ["mass": .number(threshold)]), workspace).reduce(0, +)
    }
    let best = try #require(grid.filter { Double($0) <= limit }.max())
    let next = try #require(grid.filter { Double($0) > limit }.min())
    #expect((best..<next).contains(found), "\(best), \(found), \(next)")
    #expect(Double(found) <= limit)
  }

  @Test("Parts of a composition get their levels, and what asks for none is left as it is")
  func parts() throws {
    let workspace = Workspace(workers: try WorkerPool(threadCount: 1))
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "composed"))
    let part: JSONValue = [
      "name": "xattention", "blockSize": 16, "budget": ["density": 0.4], "densityScope": "model",
    ]
    let composed = try entry.configure(["prefill": part])
    let alone = try Self.configure("xattention", ["density": 0.4], ["densityScope": "model"])
    #expect(
      pairs(levelled(composed, workspace), workspace)
        == pairs(levelled(alone, workspace), workspace))
    let dense = try Self.configure("xattention", ["density": 1], ["densityScope": "model"])
    #expect(
      pairs(levelled(dense, workspace), workspace)
        == Array(repeating: Self.causal, count: 3))
  }
}
