import JSON
import Records
import Tensors
import Testing

@testable import Attention

@Suite("Strategy registry")
struct StrategyRegistryTests {
  static let registry = StrategyRegistry.builtIn

  @Test("Names are unique, words of a spec, and find their entry")
  func names() {
    let names = Self.registry.descriptions.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.first == "full")
    for name in names {
      #expect(Self.registry.entry(named: name)?.description.name == name)
      #expect(name.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "-" })
    }
    #expect(Self.registry.entry(named: "TCA") == nil)
  }

  @Test("Descriptions name each parameter once and state its default inside its range")
  func parameters() throws {
    for description in Self.registry.descriptions {
      let names = description.parameters.map(\.name)
      #expect(Set(names).count == names.count && !names.contains("budget"))
      #expect(!description.summary.isEmpty && !description.source.isEmpty)
      for parameter in description.parameters where !parameter.defaultValue.isNull {
        switch parameter.kind {
        case .integer(let minimum, let maximum):
          let value = try #require(parameter.defaultValue.integerValue)
          #expect((minimum ?? value) <= value && value <= (maximum ?? value))
        case .number(let minimum, let maximum):
          let value = try #require(parameter.defaultValue.doubleValue)
          #expect((minimum ?? value) <= value && value <= (maximum ?? value))
        case .boolean: #expect(parameter.defaultValue.booleanValue != nil)
        case .string: #expect(parameter.defaultValue.stringValue != nil)
        case .choice(let words), .choices(_, let words):
          #expect(words.contains(parameter.defaultValue.stringValue ?? ""))
        case .list: #expect(parameter.defaultValue.arrayValue != nil)
        case .strategy: Issue.record("a part by default: \(parameter.name)")
        }
      }
    }
  }

  private static func isDefault(_ strategy: any AttentionStrategy) -> Bool {
    let standard: any AttentionStrategy = type(of: strategy).init()
    return AnyHashable(strategy) == AnyHashable(standard)
  }

  private static func values(_ strategy: any AttentionStrategy) -> [String: JSONValue] {
    Dictionary(uniqueKeysWithValues: ParameterDescription.values(of: strategy).map { ($0, $1) })
  }

  @Test("Without parameters a strategy is its type's default, every parameter held by its name")
  func defaults() throws {
    for entry in Self.registry.entries {
      let strategy = try entry.configure([:]).strategy
      #expect(Self.isDefault(strategy), "\(entry.description.name)")
      let names = ParameterDescription.values(of: strategy).map(\.name)
      #expect(names == entry.description.parameters.map(\.name))
      for parameter in entry.description.parameters {
        #expect(Self.values(strategy)[parameter.name] == parameter.defaultValue)
      }
    }
  }

  @Test("What is given is held as given, a budget too, and the rest is filled in")
  func filled() throws {
    let entry = try #require(Self.registry.entry(named: "streaming-llm"))
    let configured = try entry.configure(["localWindow": 7, "budget": ["tokens": 3]])
    #expect(
      Self.values(configured.strategy)
        == ["sinks": 4, "localWindow": 7, "prefill": true, "positions": "absolute"])
    #expect(configured.budget == .tokens(3))
    let tca = try #require(Self.registry.entry(named: "tca"))
    #expect(Self.values(try tca.configure(["heads": .null]).strategy)["heads"] == .null)
  }

  /// Values of a parameter that differ from its default and from each other.
  private static func others(_ parameter: ParameterDescription) -> [JSONValue] {
    func values(_ kind: ParameterKind) -> [JSONValue] {
      switch kind {
      case .integer(let minimum, let maximum):
        [minimum ?? 1, maximum ?? 9, min((minimum ?? 0) + 3, maximum ?? .max)].map {
          .integer($0)
        }
      case .number(let minimum, let maximum):
        [minimum ?? 0, maximum ?? 1, 0.3].map { .number($0) }
      case .boolean: [true, false]
      case .string: ["emma", "a text with \"quotes\", a ü and a \n"]
      case .choice(let words), .choices(_, let words): words.map { .string($0) }
      case .list(let element): [.array(values(element)), .array([values(element)[0]])]
      case .strategy(.prefill): [["name": "a-shape"]]
      case .strategy: [["name": "streaming-llm"]]
      }
    }
    return values(parameter.kind)
  }

  @Test(
    "Parameters survive: what is configured is held, and configures the same strategy again",
    arguments: registry.descriptions.map(\.name))
  func roundTrip(name: String) throws {
    let entry = try #require(Self.registry.entry(named: name))
    for parameter in entry.description.parameters {
      for value in Self.others(parameter) {
        let strategy = try entry.configure(.object([parameter.name: value])).strategy
        let values = Self.values(strategy)
        // A part comes back with the defaults of its own parameters.
        let held = values[parameter.name] ?? .null
        #expect(
          parameter.partPhase == nil || value.isNull
            ? held == value : held["name"] == value["name"], "\(parameter.name)")
        let again = try entry.configure(.object(values)).strategy
        #expect(
          AnyHashable(strategy) == AnyHashable(again), "\(parameter.name) \(value.canonicalText)")
        #expect(
          Self.isDefault(strategy) == (value == parameter.defaultValue), "\(parameter.name)")
      }
    }
  }

  // MARK: Ranges

  /// Values just beyond the bounds of a parameter, and values of other types; for a list, such
  /// elements.
  private static func bad(_ kind: ParameterKind) -> [JSONValue] {
    switch kind {
    case .integer(let minimum, let maximum):
      (minimum.map { [.integer($0 - 1)] } ?? []) + (maximum.map { [.integer($0 + 1)] } ?? [])
        + [1.5, 1e300, "many", true]
    case .number(let minimum, let maximum):
      (minimum.map { [.number($0.nextDown)] } ?? []) + (maximum.map { [.number($0.nextUp)] } ?? [])
        + ["much", true]
    case .boolean: [1, "true"]
    case .string: [1, true]
    case .choice(let words), .choices(_, let words): [.string(words.joined()), 0]
    case .list(let element): bad(element).map { .array([$0]) } + [[], 1]
    case .strategy: ["full", [], ["name": "none"]]
    }
  }

  @Test(
    "A value out of range is refused by the parameter's name, and told what is allowed",
    arguments: registry.descriptions.map(\.name))
  func ranges(name: String) throws {
    let entry = try #require(Self.registry.entry(named: name))
    for parameter in entry.description.parameters {
      let values = Self.bad(parameter.kind)
      #expect(!values.isEmpty)
      for value in values {
        let place: Comment = "\(parameter.name) \(value.canonicalText)"
        let error = #expect(throws: ConfigurationError.self, place) {
          try entry.configure(.object([parameter.name: value]))
        }
        #expect(error?.parameter == parameter.name, place)
        if parameter.partPhase == nil {
          #expect(error?.message.hasPrefix(value.canonicalText) == true, place)
          #expect(error?.message.contains(parameter.kind.allowedText) == true, place)
        }
      }
    }
  }

  @Test("A range is checked too where a strategy is made in code")
  func rangesInCode() {
    func refused(_ strategy: some AttentionStrategy) -> ConfigurationError? {
      #expect(throws: ConfigurationError.self) {
        try ConfiguredStrategy(strategy).check(
          promptTokens: 100, shape: AttentionSessionTests.shape)
      }
    }
    let kernel = refused(ScoredRetention(SnapKV { $0.window.kernel = 0 }))
    #expect(kernel?.parameter == "kernel")
    #expect(
      kernel?.message == "0 is out of range; allowed is a whole number from 1 to 1073741824")
    #expect(refused(StreamingLLM { $0.localWindow = 0 })?.parameter == "localWindow")
    #expect(refused(H2O { $0.heavyFraction = .nan })?.parameter == "heavyFraction")
    let part = StrategyPart(ConfiguredStrategy(Quest { $0.pageSize = 0 }), in: .decode)
    #expect(refused(ComposedStrategy { $0.decode = part })?.parameter == "decode.pageSize")
  }

  @Test("What does not fit is refused with the parameter's name")
  func refused() throws {
    let heads: JSONValue = [0, 1, 2, 3, 4, 5]
    let bad: [(String, JSONValue)] = [
      ("heads", [:]),
      ("heads", ["heads": [1, 2]]),
      ("heads", ["heads": [0, 1, 2, 3, 4, 14]]),
      ("heads", ["heads": [0, 1, 2, 3, 4, -2]]),
      ("heads", ["heads": [0, 1, 1, 2, 2, 2], "groupMerge": "aggregate"]),
      ("heads", ["heads": "all"]),
      ("blockSize", ["heads": heads, "blockSize": 24]),
      ("blockSize", ["heads": heads, "blockSize": 0]),
      ("blockSize", ["heads": heads, "blockSize": 16.5]),
      ("localWindow", ["heads": heads, "blockSize": 16, "localWindow": 40]),
      ("localWindow", ["heads": heads, "blockSize": 16, "localWindow": -16]),
      ("threshold", ["heads": heads, "threshold": 1.5]),
      ("balance", ["heads": heads, "balance": -0.1]),
      ("sinks", ["heads": heads, "sinks": -1]),
      ("importanceQueries", ["heads": heads, "importanceQueries": 0]),
      ("criterion", ["heads": heads, "criterion": "maximum"]),
    ]
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self, "\(parameters.canonicalText)") {
        try AttentionSession("tca", parameters)
      }
      #expect(error?.parameter == parameter, "\(parameters.canonicalText)")
    }
    for budget: JSONValue in [
      ["bits": 3], ["tokens": 2.5], ["mass": 0.5], 3, ["tokens": 3, "of": 1],
    ] {
      let error = #expect(throws: ConfigurationError.self, "\(budget.canonicalText)") {
        try AttentionSession("streaming-llm", ["budget": budget])
      }
      #expect(error?.parameter == "budget")
    }
    _ = try AttentionSession("tca", ["heads": heads])
  }
}
