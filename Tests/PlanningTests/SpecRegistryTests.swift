import Attention
import JSON
import Planning
import Records
import Tasks
import Testing

@Suite("Specs and the built-in strategies")
struct SpecRegistryTests {
  static func problems(_ strategies: String) -> [String] {
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    environment.tasks = TaskRegistry.builtIn.descriptions
    environment.strategyProblems = SpecEnvironment.problems(in: .builtIn)
    do {
      _ = try CheckedSpec(
        reading: Array(SpecSamples.spec(strategies: strategies).utf8), source: "spec.json",
        in: environment)
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test("Every strategy is accepted with its defaults, and with each budget that it lists")
  func defaults() {
    let sizes = [
      "fraction": "0.5", "tokens": "64", "bytes": "1000000", "density": "0.5", "mass": "0.5",
      "matching": "\"full\"", "meanKvBytes": "0.5",
    ]
    for description in StrategyRegistry.builtIn.descriptions where !description.hasParts {
      let strategy = #""name": "\#(description.name)"\#(Self.cache(for: description.name))"#
      #expect(Self.problems("{\(strategy)}") == [])
      for form in description.budgets {
        let budget = #"{"\#(form.rawValue)": \#(sizes[form.rawValue] ?? "")}"#
        #expect(
          Self.problems(#"{\#(strategy), "budget": \#(budget)}"#) == [],
          "\(description.name) \(budget)")
      }
    }
  }

  @Test(
    "Every strategy with a phase is accepted as a part for it, with its defaults",
    arguments: StrategyPhase.allCases)
  func parts(phase: StrategyPhase) {
    var names: [String] = []
    // Without cold tokens beside it tca-plus has nothing to choose among in decode.
    for description in StrategyRegistry.builtIn.descriptions
    where description.fits(phase) && (phase != .decode || description.name != "tca-plus") {
      names.append(#"{"name": "\#(description.name)"}"#)
    }
    #expect(names.count > 2)
    let list = names.joined(separator: ", ")
    let cache = phase == .prefill ? "" : Self.cache(for: "skim")
    #expect(
      Self.problems(#"{"name": "composed", "\#(phase.rawValue)": [\#(list)]\#(cache)}"#) == [])
  }

  /// The only cache that a strategy reads as it should, where there is one.
  private static func cache(for strategy: String) -> String {
    ["skim", "fade"].contains(strategy) ? #", "cache": "nested""# : ""
  }

  @Test(
    "A coarse look where none can be taken is an error, not full attention under another name",
    arguments: [
      #"{"name": "skim"}"#, #"{"name": "skim", "cache": {"keys": "nested", "values": "q8_0"}}"#,
      #"{"name": "composed", "decode": {"name": "skim"}, "cache": "q8_0"}"#, #"{"name": "fade"}"#,
      #"{"name": "composed", "retention": {"name": "fade"}, "cache": "lloyd3"}"#,
    ])
  func coarse(strategy: String) {
    let problems = Self.problems(strategy)
    #expect(problems.count == 1)
    let name = strategy.contains("skim") ? "skim" : "fade"
    #expect(
      problems.first?.contains("\(name) needs \"cache\": \"nested\"") == true, "\(problems)")
  }

  @Test("Nor is there a coarse look at a cold tier")
  func coarseAndCold() {
    let problems = Self.problems(
      #"{"name": "composed", "retention": {"name": "tca-plus"}, "decode": {"name": "skim"}, "cache": "nested"}"#
    )
    #expect(problems.contains { $0.contains("the cold tier of tca-plus") }, "\(problems)")
    // In another phase it has none.
    let others = Self.problems(
      #"{"name": "composed", "prefill": {"name": "tca-plus"}, "retention": {"name": "fade"}, "cache": "nested"}"#
    )
    #expect(others == [])
  }

  @Test(
    "Beside a cold tier a decode part has to know of it, and what chooses among cold tokens needs some"
  )
  func coldTiers() {
    func problems(_ retention: String, _ decode: String) -> [String] {
      Self.problems(
        #"{"name": "composed", "retention": \#(retention), "decode": \#(decode)}"#)
    }
    let cold = #"{"name": "tca-plus"}"#
    let freeing = #"{"name": "tca-plus", "coldTier": "none"}"#
    for name in ["quest", "tca", "oracle-top-k", "oracle-top-p"] {
      let decode = #"{"name": "\#(name)"}"#
      let found = problems(cold, decode)
      #expect(found.count == 1, "\(found)")
      #expect(
        found.first?.contains("\(name) ranks the tokens that are held exactly") == true, "\(found)")
      #expect(problems(freeing, decode) == [], "\(name)")
    }
    for name in ["streaming-llm", "duo-attention", "tca-plus"] {
      #expect(problems(cold, #"{"name": "\#(name)"}"#) == [], "\(name)")
    }
    for (retention, decode) in [
      (#"{"name": "snapkv"}"#, cold), (freeing, cold), (cold, freeing),
    ] {
      let found = problems(retention, decode)
      #expect(found.count == 1, "\(found)")
      #expect(found.first?.contains("would attend to everything") == true, "\(found)")
    }
    let alone = Self.problems(#"{"name": "composed", "decode": {"name": "tca-plus"}}"#)
    #expect(alone.first?.contains("would attend to everything") == true, "\(alone)")
  }

  private static func cells(_ strategies: String, _ tasks: String) throws -> [PlannedCell] {
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    environment.tasks = TaskRegistry.builtIn.descriptions
    let checked = try CheckedSpec(
      reading: Array(SpecSamples.spec(strategies: strategies, tasks: tasks).utf8),
      source: "spec.json", in: environment)
    return ExperimentPlan(checked).cells.filter { $0.cell.strategy != "full" }
  }

  @Test("TCA without a criterion is the paper's, and another cell than the former default")
  func criterion() throws {
    func identities(_ criterion: String) throws -> [String] {
      try Self.cells(#"{"name": "tca"\#(criterion)}"#, #"{"name": "perplexity"}"#)
        .map(\.cell.identity)
    }
    let plain = try identities("")
    #expect(try identities(#", "criterion": "columnMean""#) == plain)
    #expect(try identities(#", "criterion": "meanMass""#) != plain)
    // What is stored of a cell names its criterion, so that a default can change.
    let cell = try Self.cells(#"{"name": "tca"}"#, #"{"name": "perplexity"}"#)[0].cell
    #expect(cell.strategyParameters["criterion"] == "columnMean")
    #expect(cell.taskParameters["joinLines"] == true)
  }

  @Test("Labels of TCA say threshold and criterion wherever they vary, even what most have")
  func anchors() throws {
    let labels = try Self.cells(
      #"{"name": "tca", "criterion": "columnMean", "threshold": [0.7, 0.9]}, {"name": "tca", "criterion": "meanMass", "blockSize": [64, 128]}"#,
      #"{"name": "perplexity"}"#
    ).map(\.label)
    #expect(
      labels == [
        "tca threshold=0.7 criterion=columnMean", "tca threshold=0.9 criterion=columnMean",
        "tca threshold=0.9 blockSize=64 criterion=meanMass",
        "tca threshold=0.9 criterion=meanMass",
      ])
    #expect(
      try Self.cells(#"{"name": "tca", "threshold": [0.7, 0.9]}"#, #"{"name": "perplexity"}"#)
        .map(\.label) == ["tca threshold=0.7", "tca threshold=0.9"])
  }

  @Test("Settings that came later leave cells without them the identities that they had")
  func laterSettings() throws {
    for (name, settings) in [
      ("minference", [#""densityScope": "layer""#]),
      ("flex-prefill", [#""densityScope": "layer""#]),
      ("xattention", [#""densityScope": "layer""#]), ("knorm", [#""skippedLayers": 0"#]),
      ("quest", [#""countsDenseLayers": false"#]),
      ("expected-attention", [#""headBudgets": "uniform""#, #""floorFraction": 0.2"#]),
    ] {
      let plain = try Self.cells(#"{"name": "\#(name)"}"#, #"{"name": "passkey"}"#)[0].cell
      for setting in settings {
        let said = try Self.cells(
          #"{"name": "\#(name)", \#(setting)}"#, #"{"name": "passkey"}"#)[0].cell
        #expect(said.identity == plain.identity, "\(name)")
        let key = setting.split(separator: "\"")[0]
        #expect(plain.strategyParameters[String(key)] == nil, "\(name)")
      }
    }
  }

  @Test("A budget of bytes in which no token fits is refused with the least, a part's too")
  func fewBytes() {
    // Keys and values of 30 layers x 3 KV heads x 64 numbers, in half floats.
    let least =
      "bytes are less than one token, which takes 23040 in all heads of the global layers with f16; allowed: at least 23040"
    #expect(
      Self.problems(#"{"name": "snapkv", "budget": {"bytes": [1, 23039, 23040]}}"#) == [
        "3:35 $.strategies[0].budget: \"1\" \(least)",
        "3:35 $.strategies[0].budget: \"23039\" \(least)",
      ])
    #expect(
      Self.problems(
        #"{"name": "composed", "retention": {"name": "snapkv", "budget": {"bytes": 1}}}"#)
        == ["3:69 $.strategies[0].retention.budget: \"1\" \(least)"])
    // A cache of fewer bits needs fewer.
    #expect(
      Self.problems(#"{"name": "snapkv", "budget": {"bytes": 12240}, "cache": "q8_0"}"#) == [])
  }

  @Test("A data set that needs what is not there is not offered as one that is allowed")
  func chineseDatasets() {
    var environment = SpecSamples.environment
    environment.tasks = TaskRegistry.builtIn.descriptions
    let text = SpecSamples.spec(
      tasks: #"{"name": "longbench", "folder": "x", "dataset": "dureader"}"#)
    let error = #expect(throws: SpecError.self) {
      try CheckedSpec(reading: Array(text.utf8), source: "spec.json", in: environment)
    }
    let problem = error?.problems.map(\.description).first { $0.contains("\"dureader\"") }
    #expect(problem?.contains("allowed: narrativeqa, ") == true, "\(problem ?? "none")")
    #expect(problem?.contains("multifieldqa_zh") == false)
  }

  @Test("What a strategy refuses for a model's shape stands at its parameter in the spec")
  func refusals() {
    #expect(
      Self.problems(#"{"name": "tca", "blockSize": [64, 100]}, {"name": "tca", "heads": [1, 2]}"#)
        == [
          "3:50 $.strategies[0].blockSize[1]: 100 is not a power of two; use 16, 32, 64, 128 …",
          "3:73 $.strategies[1].heads: 2 candidates for 30 layers x 9 query heads; 270 are needed, layer after layer",
        ])
  }
}
