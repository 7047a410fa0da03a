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
    "A list is refused by its place, with the value, in parts and budgets too",
    arguments: [
      (#"{"name": "streaming-llm", "sinks": [1, 2]}"#, #"1:27 $.sinks: "[1,2]" is a list"#),
      (
        #"{"name": "full", "cache": ["f16", "q8_0"]}"#, #"1:18 $.cache: "["f16","q8_0"]" is a list"#
      ),
      (
        #"{"name": "snapkv",\#n"budget": {"fraction": [0.1, 0.2]}}"#,
        #"2:12 $.budget.fraction: "[0.1,0.2]" is a list"#
      ),
      (
        #"{"name": "composed", "retention": {"name": "snapkv", "kernel": [3, 5]}}"#,
        #"1:54 $.retention.kernel: "[3,5]" is a list"#
      ),
    ])
  func lists(text: String, problem: String) throws {
    let error = #expect(throws: SpecError.self) { try parse(text) }
    let problems = try #require(error).problems.map { "\($0)" }
    #expect(
      problems == [
        problem
          + ": an axis of a spec's grid, and this is a single strategy; allowed: one value of it"
      ])
  }

  @Test(
    "A budget that needs a spec around it is refused by its place, with the value",
    arguments: [
      (
        #"{"name": "streaming-llm", "budget": {"matching": "tca"}}"#,
        #"1:27 $.budget: "{"matching":"tca"}" matches another strategy, and there is none here; allowed: fraction, tokens, bytes, density"#
      ),
      (
        #"{"name": "snapkv", "budget": {"meanKvBytes": 0.25}}"#,
        #"1:20 $.budget: "{"meanKvBytes":0.25}" is a mean over the decode steps of a task, and there is none here; allowed: fraction, tokens, bytes"#
      ),
      // What is allowed here is allowed by the strategy too, and the other way round.
      (
        #"{"name": "snapkv", "budget": {"density": 0.25}}"#,
        #"1:31 $.budget.density: "density" is no form of budget that snapkv accepts; allowed: fraction, tokens, bytes"#
      ),
      (
        #"{"name": "composed", "decode": {"name": "quest", "budget": [{"matching": "tca"}]}}"#,
        #"1:50 $.decode.budget: "[{"matching":"tca"}]" matches another strategy, and there is none here; allowed: fraction, tokens"#
      ),
    ])
  func budgets(text: String, problem: String) throws {
    let error = #expect(throws: SpecError.self) { try parse(text) }
    let problems = try #require(error).problems.map { "\($0)" }
    #expect(problems == [problem])
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
