import Attention
import Planning
import Testing

@Suite("Budgets in specs")
struct SpecBudgetTests {
  @Test(
    "Each form is read as it is written",
    arguments: [
      (#"{"fraction": 0.4}"#, StatedBudget.fraction(0.4)), (#"{"fraction": 1}"#, .fraction(1)),
      (#"{"tokens": 820}"#, .tokens(820)), (#"{"bytes": 1000000}"#, .bytes(1_000_000)),
      (#"{"density": 0.25}"#, .density(0.25)),
      (#"{"meanKvBytes": 0.25}"#, .meanKvBytes(0.25)),
      (#"{"matching": "tca", "of": "meanKvBytes"}"#, .matching("tca", of: .meanKvBytes)),
      (#"{"matching": "tca"}"#, .matching("tca", of: nil)),
      (#"{"matching": "tca", "of": "density"}"#, .matching("tca", of: .density)),
      (#"{"matching": "full"}"#, .matching("full", of: nil)),
    ])
  func forms(text: String, budget: StatedBudget) throws {
    let checked = try SpecSamples.check(
      SpecSamples.spec(
        strategies: #"{"name": "tca"}, {"name": "streaming-llm", "budget": \#(text)}"#))
    #expect(checked.spec.strategies.last?.budgets == [budget])
    #expect(StatedBudget(budget.jsonValue) == budget)
  }

  @Test(
    "Mistakes in a budget name it and what is allowed",
    arguments: [
      (
        #"0.4"#,
        #"$.strategies[1].budget: "0.4" is a number; allowed: {"fraction": f}, {"tokens": t}, {"bytes": b}, {"meanKvBytes": s}, {"density": x} or {"matching": strategy, "of": use}"#
      ),
      (
        #"{}"#,
        #"$.strategies[1].budget: "{}" says no size; allowed: a budget of streaming-llm: fraction, tokens, bytes, meanKvBytes, density, matching"#
      ),
      (
        #"[]"#,
        #"$.strategies[1].budget: "[]" is an empty list; allowed: a budget of streaming-llm: fraction, tokens, bytes, meanKvBytes, density, matching"#
      ),
      (
        #"{"fracton": 0.4}"#,
        #"$.strategies[1].budget.fracton: "fracton" is no key of a budget; allowed: fraction, tokens, bytes, meanKvBytes, density, matching; did you mean "fraction"?"#
      ),
      (
        #"{"fraction": 0.4, "tokens": 3}"#,
        #"$.strategies[1].budget: "{"fraction":0.4,"tokens":3}" says fraction and tokens; allowed: one of them"#
      ),
      (
        #"{"mass": 0.9}"#,
        #"$.strategies[1].budget.mass: "mass" is no form of budget that streaming-llm accepts; allowed: fraction, tokens, bytes, meanKvBytes, density, matching"#
      ),
      (
        #"{"fraction": 0}"#,
        #"$.strategies[1].budget.fraction: "0" is out of range; allowed: a number above 0, at most 1"#
      ),
      (
        #"{"fraction": [0.5, 1.01]}"#,
        #"$.strategies[1].budget.fraction[1]: "1.01" is out of range; allowed: a number above 0, at most 1"#
      ),
      (
        #"{"fraction": []}"#,
        #"$.strategies[1].budget.fraction: "[]" is an empty list; allowed: a value, or a list of values"#
      ),
      (
        #"{"tokens": 2.5}"#,
        #"$.strategies[1].budget.tokens: "2.5" is not a whole number; allowed: a whole number, at least 1"#
      ),
      (
        #"{"tokens": 0}"#,
        #"$.strategies[1].budget.tokens: "0" is out of range; allowed: a whole number, at least 1"#
      ),
      (
        #"{"tokens": 5, "of": "kvBytes"}"#,
        #"$.strategies[1].budget.of: "kvBytes" belongs to "matching" only; leave it out"#
      ),
      (
        #"{"of": "kvBytes"}"#,
        #"$.strategies[1].budget: "{"of":"kvBytes"}" says no size; allowed: a budget of streaming-llm: fraction, tokens, bytes, meanKvBytes, density, matching"#
      ),
      (
        #"{"matching": "tca", "of": "bytes"}"#,
        #"$.strategies[1].budget.of: "bytes" is nothing that can be matched; allowed: kvBytes, meanKvBytes, density; did you mean "kvBytes"?"#
      ),
      (
        #"{"meanKvBytes": 1.5}"#,
        #"$.strategies[1].budget.meanKvBytes: "1.5" is out of range; allowed: a number above 0, at most 1"#
      ),
      (
        #"{"matching": 3}"#,
        #"$.strategies[1].budget.matching: "3" is a number; allowed: the name of a strategy, or the label of a variant"#
      ),
      (
        #"{"matching": "tcaa"}"#,
        #"$.strategies[1].budget.matching: "tcaa" is no strategy; allowed: full, tca; did you mean "tca"?"#
      ),
      (
        #"{"matching": "tca threshold=0.6"}"#,
        #"$.strategies[1].budget.matching: "tca threshold=0.6" is the label of no variant of tca in this spec; allowed: tca; did you mean "tca"?"#
      ),
      (
        #"{"matching": ""}"#,
        #"$.strategies[1].budget.matching: "" is no strategy; allowed: full, tca"#
      ),
      (
        #"{"matching": "picker"}"#,
        #"$.strategies[1].budget.matching: "picker" is not among the strategies of this spec; add it; allowed: full, tca"#
      ),
      (
        #"{"matching": "streaming-llm"}"#,
        #"$.strategies[1].budget.matching: "streaming-llm" closes a ring of budgets that match each other: streaming-llm → streaming-llm; allowed: a strategy with a size of its own"#
      ),
      (
        #"[{"tokens": 5}, {"tokens": 5}]"#,
        #"$.strategies[1].budget[1]: "{"tokens":5}" stands twice in this list; keep one"#
      ),
    ])
  func mistakes(budget: String, problem: String) {
    let found = SpecSamples.problems(
      SpecSamples.spec(
        strategies: #"{"name": "tca"}, {"name": "streaming-llm", "budget": \#(budget)}"#))
    #expect(found.map { $0.split(separator: " ", maxSplits: 1).last.map(String.init) } == [problem])
  }

  @Test("A strategy without budgets, and a size beside a budget, are refused")
  func refusals() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(strategies: #"{"name": "tca", "budget": {"fraction": 0.5}}"#)) == [
          #"3:32 $.strategies[0].budget: "{"fraction":0.5}" is given to tca, which takes no budget; leave it out"#
        ])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies: #"{"name": "streaming-llm", "localWindow": 64, "budget": {"fraction": 0.5}}"#)
      )
        == [
          #"3:42 $.strategies[0].localWindow: "64" stands beside a budget, which sets localWindow; give one of the two"#
        ])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies: #"{"name": "picker", "budget": {"matching": "full", "of": "density"}}"#)) == [
          #"3:66 $.strategies[0].budget.of: "density" is nothing that picker can match here; allowed: kvBytes"#
        ])
  }

  @Test("Rings and the matching of a matched strategy are refused at every budget in them")
  func rings() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies:
            #"{"name": "picker", "budget": {"matching": "streaming-llm"}}, {"name": "streaming-llm", "budget": {"matching": "picker"}}"#
        )) == [
          #"3:46 $.strategies[0].budget.matching: "streaming-llm" closes a ring of budgets that match each other: picker → streaming-llm → picker; allowed: a strategy with a size of its own"#,
          #"3:114 $.strategies[1].budget.matching: "picker" closes a ring of budgets that match each other: streaming-llm → picker → streaming-llm; allowed: a strategy with a size of its own"#,
        ])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies:
            #"{"name": "tca"}, {"name": "picker", "budget": {"matching": "streaming-llm"}}, {"name": "streaming-llm", "budget": {"matching": "tca"}}"#
        )) == [
          #"3:63 $.strategies[1].budget.matching: "streaming-llm" is matched to "tca" itself; match "tca"; allowed: a strategy with a size of its own"#
        ])
  }

  @Test("A misspelt strategy is not offered to a budget that matches something else")
  func misspeltStrategy() {
    let found = SpecSamples.problems(
      SpecSamples.spec(
        strategies:
          #"{"name": "tcaa"}, {"name": "streaming-llm", "budget": {"matching": "picker"}}"#))
    #expect(found.count == 2)
    #expect(found.last?.hasSuffix("add it; allowed: full, tca") == true, "\(found)")
  }

  @Test("A misspelt strategy is one problem, though a budget matches it by its right name")
  func oneProblem() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies: #"{"name": "tcaa"}, {"name": "streaming-llm", "budget": {"matching": "tca"}}"#
        )
      ).count == 1)
  }
}
