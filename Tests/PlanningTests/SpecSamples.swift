import Attention
import Planning
import Records
import Tensors

/// A small world to check specs in: descriptions that don't change when the real ones do, one model, three texts.
enum SpecSamples {
  static let strategies = [
    StrategyDescription(
      name: "full", summary: "Dense.", role: .reference, phases: [], parameters: [],
      fidelity: .own, source: "-"),
    StrategyDescription(
      name: "streaming-llm", summary: "Sinks and window.", phases: [.prefill, .retention],
      parameters: [
        ParameterDescription("sinks", .integer(minimum: 0, maximum: nil), default: 4, "-"),
        ParameterDescription(
          "localWindow", .integer(minimum: 1, maximum: nil), default: 512, "-",
          isReplacedByBudget: true),
        ParameterDescription("prefill", .boolean, default: true, "-"),
      ], budgets: [.fraction, .tokens, .bytes, .meanKvBytes, .density, .matching], fidelity: .own,
      source: "-"),
    StrategyDescription(
      name: "tca", summary: "Blocks.", phases: [.prefill],
      parameters: [
        ParameterDescription("threshold", .number(minimum: 0, maximum: 1), default: 0.9, "-"),
        ParameterDescription("blockSize", .integer(minimum: 1, maximum: 65_536), default: 128, "-"),
        ParameterDescription("localWindow", .integer(minimum: 0, maximum: nil), default: 4096, "-"),
        ParameterDescription("calibrationCorpus", .string, default: "emma", "-"),
        ParameterDescription(
          "calibrationLength", .integer(minimum: 2, maximum: nil), default: .null, "-"),
        ParameterDescription(
          "criterion", .choice(["meanMass", "columnMean"]), default: "meanMass", "-"),
        ParameterDescription(
          "heads", .list(of: .integer(minimum: -1, maximum: 13)), default: .null, "-"),
        ParameterDescription("prefill", .boolean, default: true, "-"),
      ], selectionLooksAhead: true, fidelity: .own, source: "-"),
    StrategyDescription(
      name: "picker", summary: "Picks.", phases: [.decode], parameters: [],
      budgets: [.fraction, .mass, .matching], fidelity: .own, source: "-"),
  ]

  static let tasks = [
    TaskDescription(
      name: "perplexity", summary: "-",
      parameters: [
        ParameterDescription("corpus", .string, default: "persuasion", "-"),
        ParameterDescription("samples", .integer(minimum: 1, maximum: nil), default: 1, "-"),
        ParameterDescription(
          "protocol", .choice(["prefill", "continuation"]), default: "continuation", "-"),
        ParameterDescription(
          "scoredTokens", .integer(minimum: 1, maximum: nil), default: .null, "-"),
        .decodeTokens,
      ], protocols: ["prefill", "continuation"], textParameters: ["corpus"], source: "-"),
    TaskDescription(
      name: "passkey", summary: "-",
      parameters: [
        ParameterDescription(
          "depths", .list(of: .number(minimum: 0, maximum: 1)), default: [0.1, 0.9], "-"),
        ParameterDescription("samples", .integer(minimum: 1, maximum: nil), default: 2, "-"),
        .queryAware, .decodeTokens,
      ], source: "-"),
  ]

  struct NoSuchFile: Error, CustomStringConvertible {
    let description = "no such file"
  }

  static let shape = AttentionShape(layers: 30, queryHeads: 9, kvHeads: 3, headDimension: 64)

  static var environment: SpecEnvironment {
    SpecEnvironment(
      strategies: strategies, tasks: tasks, catalogueModels: ["smollm2-135m-instruct"],
      shippedTexts: ["emma", "persuasion"], folder: "/specs", cores: 4,
      target: { ["/specs/tiny.gguf", "/specs/copy.gguf"].contains($0) ? .file : .nothing },
      textDigest: { word in
        switch word {
        case "emma": "digest-of-emma"
        case "persuasion", "corpora/persuasion.txt": "digest-of-persuasion"
        default: throw NoSuchFile()
        }
      },
      modelFacts: { reference in
        ModelFacts(
          name: reference.name, path: reference.path ?? "/cache/smollm2.gguf",
          digest: reference.path == nil ? "digest-of-smollm2" : "digest-of-tiny",
          contextLength: (reference.path == nil ? 8192 : 2048)
            * Int(reference.ropeScaling?.factor ?? 1), shape: shape,
          size: ModelSize(
            hiddenSize: 576, matrixParameters: 106_000_000, outputParameters: 28_000_000,
            fileBytes: 98_000_000), ropeScaling: reference.ropeScaling)
      },
      strategyProblems: { strategy, parameters, _ in
        guard strategy == "tca", let block = parameters["blockSize"]?.integerValue,
          let window = parameters["localWindow"]?.integerValue, window % block != 0
        else { return [] }
        return [
          ConfigurationError("localWindow", "\(window) is not a multiple of blockSize \(block)")
        ]
      },
      taskProblems: { task, parameters, contextLength in
        guard let scored = parameters["scoredTokens"]?.integerValue, scored >= contextLength
        else { return [] }
        return [ConfigurationError("scoredTokens", "\(scored) leave no prompt")]
      })
  }

  static func check(_ text: String) throws(SpecError) -> CheckedSpec {
    try CheckedSpec(reading: Array(text.utf8), source: "spec.json", in: environment)
  }

  /// A spec that is right but for what is given; `strategies` and `tasks` are the insides of their lists.
  static func spec(
    strategies: String = #"{"name": "tca"}"#, tasks: String = #"{"name": "passkey"}"#,
    models: String = #""smollm2-135m-instruct""#, contexts: String = "512", rest: String = ""
  ) -> String {
    """
    {"schemaVersion": 1, "name": "x", "models": [\(models)],
    "contextLengths": [\(contexts)],
    "strategies": [\(strategies)],
    "tasks": [\(tasks)]\(rest)}
    """
  }

  /// The problems of a spec, one line each; empty where it is right.
  static func problems(_ text: String) -> [String] {
    do {
      _ = try check(text)
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  static func plan(_ text: String) throws -> ExperimentPlan { ExperimentPlan(try check(text)) }
}
