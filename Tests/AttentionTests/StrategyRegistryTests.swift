import Attention
import JSON
import Records
import Tensors
import Testing

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
        case .choice(let words):
          #expect(words.contains(parameter.defaultValue.stringValue ?? ""))
        case .list: #expect(parameter.defaultValue.arrayValue != nil)
        case .strategy: Issue.record("a part by default: \(parameter.name)")
        }
      }
    }
  }

  @Test("Described defaults are those of the types, under the same names")
  func defaults() throws {
    let tca = try StrategyEntry<TCA>().configuration([:])
    #expect(tca == TCA.Configuration())
    #expect(try StrategyEntry<StreamingLLM>().configuration([:]) == StreamingLLM.Configuration())
    let encoded = try JSONValue(encoding: TCA.Configuration(calibrationLength: 5, heads: [1]))
    #expect(
      Set(encoded.objectValue?.keys.map { $0 } ?? [])
        == Set(TCA.description.parameters.map(\.name)))
  }

  @Test("Filling in defaults keeps what is given, a budget too, and leaves out what has none")
  func filled() throws {
    let entry = try #require(Self.registry.entry(named: "streaming-llm"))
    #expect(
      entry.filledParameters(["localWindow": 7, "budget": ["tokens": 3]])
        == [
          "sinks": 4, "localWindow": 7, "prefill": true, "positions": "absolute",
          "budget": ["tokens": 3],
        ])
    let tca = try #require(Self.registry.entry(named: "tca"))
    #expect(tca.filledParameters(["heads": .null])["heads"] == nil)
  }

  @Test("What does not fit is refused with the parameter's name, the same by check and by session")
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
    let entry = try #require(Self.registry.entry(named: "tca"))
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self, "\(parameters.canonicalText)") {
        try entry.check(parameters: parameters, shape: AttentionSessionTests.shape)
      }
      #expect(error?.parameter == parameter, "\(parameters.canonicalText)")
      #expect(throws: ConfigurationError.self) {
        try AttentionSessionTests.session("tca", parameters.objectValue ?? [:])
      }
    }
    let budget = #expect(throws: ConfigurationError.self) {
      try AttentionSessionTests.session("streaming-llm", ["budget": ["bytes": 3]])
    }
    #expect(budget?.parameter == "budget")
    try entry.check(parameters: ["heads": heads], shape: AttentionSessionTests.shape)
  }
}
