import Attention
import JSON
import Planning
import Records
import Tasks
import Tensors

/// A spec, up to its plan and what the plan is estimated to take.
enum SpecFormat: FuzzedFormat {
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    var spec: JSONValue = [
      "schemaVersion": 1, "name": "x", "models": ["smollm2-135m-instruct"],
      "contextLengths": [512, 1024], "strategies": [["name": "full"]],
      "tasks": [["name": "perplexity"]],
    ]
    func named(_ names: [String], _ generator: inout SeededGenerator) -> JSONValue {
      .array(
        (0...generator.index(below: 4)).map { _ in ["name": .string(generator.element(of: names))] }
      )
    }
    if case .object(var members) = spec {
      members["strategies"] = named(environment.strategies.map(\.name), &generator)
      members["tasks"] = named(environment.tasks.map(\.name), &generator)
      spec = .object(members)
    }
    return Array(JSONChange.of(spec, words: words, &generator).prettyText.utf8)
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    guard let value = try? JSONValue(parsing: bytes) else { return nil }
    return Array(JSONChange.of(value, words: words, &generator).prettyText.utf8)
  }

  static func read(_ bytes: [UInt8]) {
    expectingErrors {
      let checked = try CheckedSpec(reading: bytes, source: "spec.json", in: environment)
      let plan = ExperimentPlan(checked)
      _ = PlanEstimate(of: plan.cells, in: checked, plan: plan)
    }
  }

  private struct Refusal: Error {}

  /// All that the program knows, and files that cannot be read.
  private static nonisolated(unsafe) let environment = SpecEnvironment(
    strategies: StrategyRegistry.builtIn.descriptions, tasks: TaskRegistry.builtIn.descriptions,
    catalogueModels: ["smollm2-135m-instruct", "gemma3-270m"], shippedTexts: Corpus.shippedNames,
    folder: "/nowhere", cores: 2,
    target: { $0.hasSuffix(".gguf") ? .file : .nothing },
    textDigest: {
      guard Corpus.shippedNames.contains($0) else { throw Refusal() }
      return "digest of \($0)"
    },
    modelFacts: { reference in
      ModelFacts(
        name: reference.name, path: "/nowhere/model.gguf", digest: "digest of \(reference.name)",
        contextLength: 2048,
        shape: AttentionShape(layers: 4, queryHeads: 4, kvHeads: 2, headDimension: 64),
        ropeScaling: reference.ropeScaling)
    },
    strategyProblems: SpecEnvironment.problems(in: .builtIn),
    taskProblems: TaskRegistry.builtIn.problems)

  /// Every key and choice that a spec may have.
  private static let words: [String] =
    [
      "schemaVersion", "name", "question", "models", "contextLengths", "strategies", "tasks",
      "primary", "cache", "metrics", "warmups", "repeats", "seed", "threads", "budget", "fraction",
      "tokens", "bytes", "meanKvBytes", "density", "matching", "mass", "path", "synthetic",
      "ropeScaling", "factor", "type", "yarn", "linear", "layers", "queryHeads", "kvHeads",
      "headDimension", "pattern", "prefill", "decode", "retention", "quality", "approximation",
      "latency", "memory", "f16", "f32", "q8_0", "tiny.gguf", "smollm2-135m-instruct", "baseline",
    ] + Corpus.shippedNames + environment.strategies.map(\.name) + environment.tasks.map(\.name)
    + environment.strategies.flatMap { $0.parameters.map(\.name) }
    + environment.tasks.flatMap { $0.parameters.map(\.name) }
}
