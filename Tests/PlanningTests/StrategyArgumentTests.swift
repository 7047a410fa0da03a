import Attention
import Testing

@testable import Planning

@Suite("A strategy on the command line")
struct StrategyArgumentTests {
  private func parse(_ text: String) throws -> StrategyArgument {
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    return try StrategyArgument(parsing: text, in: environment)
  }

  @Test("JSON and a bare name are understood, defaults filled in")
  func understood() throws {
    #expect(try parse("streaming-llm").configured.parameters["sinks"] == 4)
    let argument = try parse(#"{"name": "streaming-llm", "sinks": 1, "budget": {"tokens": 9}}"#)
    #expect(argument.configured.name == "streaming-llm")
    let parameters = argument.configured.parameters
    #expect(parameters["sinks"] == 1 && parameters["budget"] == ["tokens": 9])
    let composed = try parse(
      #"{"name": "composed", "decode": {"name": "quest", "pageSize": 8, "budget": {"tokens": 9}}}"#)
    #expect(
      composed.configured.parameters == [
        "decode": [
          "name": "quest", "pageSize": 8, "tokenBudget": 1024, "denseLayers": 2,
          "budget": ["tokens": 9],
        ], "cache": "f16",
      ])
    #expect(composed.configured.cache == .f16)
  }

  @Test("A misspelt bare name is told the nearest one, not that it is no JSON")
  func misspelt() throws {
    let error = #expect(throws: SpecError.self) { try parse("snapk") }
    let problem = "\(try #require(error?.problems.first))"
    #expect(problem.contains("did you mean \"snapkv\"?"), "\(problem)")
  }

  @Test(
    "Anything but one strategy with single values is refused, with a problem",
    arguments: [
      #"{"name": "full"}, {"name": "tca"}"#, #"{"name": "full"}],"x":[1"#, "[]", "", "{",
      #"{"name": "streaming-llm", "sinks": [1, 2]}"#,
      #"{"name": "streaming-llm", "budget": {"matching": "tca"}}"#, #"{"name": "stream-llm"}"#,
      #"{"name": "streaming-llm", "sinks": -1}"#,
      #"{"name": "composed", "retention": {"name": "snapkv", "kernel": [3, 5]}}"#,
      #"{"name": "composed", "retention": {"name": "snapkv", "budget": {"matching": "tca"}}}"#,
    ])
  func refused(text: String) throws {
    let error = #expect(throws: SpecError.self) { try parse(text) }
    let problems = try #require(error).problems
    #expect(!problems.isEmpty)
    #expect(problems.allSatisfy { !"\($0)".contains("strategies[0]") }, "\(problems)")
  }
}
