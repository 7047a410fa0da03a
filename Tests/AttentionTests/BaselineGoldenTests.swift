import Attention
import Foundation
import JSON
import LabTestSupport
import Tensors
import Testing
import Threads

/// The stored choices of `scripts/vectors/baselines.py`: float64 and full sorts, from the methods' formulas.
private struct GoldenBaselines: Decodable {
  struct Eviction: Decodable {
    struct Rotary: Decodable {
      var base: Double
      var layout: RotaryEmbedding.Layout
    }

    var strategy: String
    var parameters: JSONValue
    var rotary: Rotary?
    /// Layers of the model, and which one this is; 1 and 0 where nothing is said.
    var layers: Int?
    var layer: Int?
    /// By KV head.
    var kept: [[Int]]
    /// With a budget of one token less; of kvpress only.
    var keptOneLess: [[Int]]?
  }

  struct TOVADecode: Decodable {
    var tokens: Int
    var heldAfter: Int
    var held: [Int]
  }

  struct H2ODecode: Decodable {
    var tokens: Int
    var heldAfter: Int
    /// By KV head.
    var held: [[Int]]
  }

  struct QuestStep: Decodable {
    var token: Int
    var pages: Int
    /// Pages by query head.
    var chosen: [[Int]]
  }

  var promptTokens: Int
  var eviction: [Eviction]
  var tovaDecode: [TOVADecode]
  var h2oDecode: [H2ODecode]
  var quest: [QuestStep]

  /// What kvpress itself keeps.
  struct Library: Decodable {
    var eviction: [Eviction]

    static func load() throws -> Library {
      try JSONDecoder().decode(
        Library.self,
        from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("baselines-kvpress.json"))))
    }
  }

  static func load() throws -> GoldenBaselines {
    try JSONDecoder().decode(
      GoldenBaselines.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("baselines.json"))))
  }
}

@Suite("Baselines against independent references")
struct BaselineGoldenTests {
  private static let golden = Result { try GoldenBaselines.load() }
  private static let strategies = [
    "knorm", "keydiff", "snapkv", "tova", "lagkv", "expected-attention", "pyramidkv", "adakv",
    "h2o", "streaming-llm",
  ]
  /// kvpress has no H2O that evicts step by step, and a pyramid of other sizes.
  private static let notInLibrary = ["h2o", "pyramidkv"]

  private static func session(
    _ name: String, _ parameters: JSONValue, promptTokens: Int,
    rotary: GoldenBaselines.Eviction.Rotary? = nil, layers: Int = 1, threads: Int = 1
  ) throws -> AttentionSession {
    var shape = GoldenTCA.shape
    let geometry = LayerGeometry(
      headDimension: shape.headDimension,
      rotary: rotary.map {
        RotaryEmbedding(base: $0.base, dimensions: shape.headDimension, layout: $0.layout)
      })
    shape.geometry = Array(repeating: geometry, count: layers)
    return try AttentionSession(
      name, parameters, shape: shape, promptTokens: promptTokens,
      workspace: Workspace(workers: try WorkerPool(threadCount: threads)))
  }

  @discardableResult
  private static func run(
    _ session: AttentionSession, _ tokens: Range<Int>, _ phase: AttentionPhase, layer: Int = 0
  ) throws -> AttentionOutcome {
    let q = try GoldenTCA.rows("q", tokens)
    var output = Matrix(rows: q.rows, columns: q.columns)
    return session.attend(
      layer: layer, phase: phase, queries: q, keys: try GoldenTCA.rows("k", tokens),
      values: try GoldenTCA.rows("v", tokens), firstPosition: tokens.lowerBound, output: &output)
  }

  @Test("The tokens kept after the prompt are those of the reference", arguments: [1, 3])
  func eviction(threads: Int) throws {
    let golden = try Self.golden.get()
    #expect(
      Set(golden.eviction.map(\.strategy)).union(["streaming-llm"])
        == Set(Self.strategies))
    for example in golden.eviction {
      let session = try Self.session(
        example.strategy, example.parameters, promptTokens: golden.promptTokens,
        rotary: example.rotary, layers: example.layers ?? 1, threads: threads)
      let layer = example.layer ?? 0
      try Self.run(session, 0..<golden.promptTokens, .prefill, layer: layer)
      for (head, kept) in example.kept.enumerated() {
        #expect(
          session.held(head, layer: layer) == kept,
          "\(example.strategy) \(example.parameters.canonicalText), layer \(layer)")
      }
    }
  }

  /// With a budget that keeps as many tokens of a prompt: streaming-llm's counts the token to come.
  private static func budgeted(_ example: GoldenBaselines.Eviction) -> JSONValue {
    guard example.strategy == "streaming-llm",
      let tokens = example.parameters["budget"]?["tokens"]?.integerValue
    else { return example.parameters }
    let budget: JSONValue = ["tokens": .integer(tokens + 1)]
    return .object((example.parameters.objectValue ?? [:]).merging(["budget": budget]) { $1 })
  }

  @Test("The tokens kept after the prompt are those that kvpress keeps, and the newest")
  func library() throws {
    let prompt = 256
    let examples = try GoldenBaselines.Library.load().eviction
    #expect(
      Set(examples.map(\.strategy))
        == Set(Self.strategies).subtracting(Self.notInLibrary))
    for example in examples {
      let session = try Self.session(
        example.strategy, Self.budgeted(example), promptTokens: prompt, rotary: example.rotary)
      try Self.run(session, 0..<prompt, .prefill)
      let smaller = try #require(example.keptOneLess)
      for (head, kept) in example.kept.enumerated() {
        let expected = kept.last == prompt - 1 ? kept : smaller[head] + [prompt - 1]
        #expect(
          session.held(head) == expected, "\(example.strategy) \(example.parameters.canonicalText)")
      }
    }
  }

  @Test("TOVA holds what the reference holds after each generated token")
  func tovaDecode() throws {
    let golden = try Self.golden.get()
    #expect(!golden.tovaDecode.isEmpty)
    for example in golden.tovaDecode {
      let session = try Self.session(
        "tova", ["budget": ["tokens": .integer(example.tokens)]],
        promptTokens: golden.promptTokens)
      try Self.run(session, 0..<golden.promptTokens, .prefill)
      // The cut that follows a step comes with the next one.
      let next = example.heldAfter + 1
      for token in golden.promptTokens...next { try Self.run(session, token..<token + 1, .decode) }
      for head in 0..<2 { #expect(session.held(head) == example.held + [next]) }
    }
  }

  @Test(
    "H2O holds what the reference holds after each generated token, in every head its own",
    arguments: [1, 3])
  func h2oDecode(threads: Int) throws {
    let golden = try Self.golden.get()
    #expect(!golden.h2oDecode.isEmpty)
    for example in golden.h2oDecode {
      let session = try Self.session(
        "h2o", ["budget": ["tokens": .integer(example.tokens)]],
        promptTokens: golden.promptTokens, threads: threads)
      try Self.run(session, 0..<golden.promptTokens, .prefill)
      // The cut that follows a step comes with the next one.
      let next = example.heldAfter + 1
      for token in golden.promptTokens...next { try Self.run(session, token..<token + 1, .decode) }
      for (head, held) in example.held.enumerated() {
        #expect(session.held(head) == held + [next], "\(example.tokens) tokens, head \(head)")
      }
    }
  }

  @Test("Quest attends to the pages of the reference, and to nothing else")
  func quest() throws {
    let golden = try Self.golden.get()
    let pageSize = 16
    for pages in Set(golden.quest.map(\.pages)) {
      let session = try Self.session(
        "quest", ["budget": ["tokens": .integer(pages * pageSize)]],
        promptTokens: golden.promptTokens)
      let log = SelectionLog(session)
      try Self.run(session, 0..<golden.promptTokens, .prefill)
      for token in golden.promptTokens..<304 {
        let outcome = try Self.run(session, token..<token + 1, .decode)
        guard let step = golden.quest.first(where: { $0.token == token && $0.pages == pages })
        else { continue }
        for (head, chosen) in step.chosen.enumerated() {
          let attended = (0...token).filter {
            log.last[head].attends(to: $0, fromQuery: token)
          }
          let expected: [Int] = chosen.flatMap { page -> [Int] in
            let end = min((page + 1) * pageSize, token + 1)
            return Array(page * pageSize..<end)
          }
          #expect(attended == expected, "\(pages) pages, token \(token), head \(head)")
          #expect(outcome.pairs[head].nominal == attended.count)
        }
      }
      #expect(session.held(0) == Array(0..<304))
    }
  }
}
