import Attention
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
      #expect(Self.problems(#"{"name": "\#(description.name)"}"#) == [])
      for form in description.budgets {
        let budget = #"{"\#(form.rawValue)": \#(sizes[form.rawValue] ?? "")}"#
        #expect(
          Self.problems(#"{"name": "\#(description.name)", "budget": \#(budget)}"#) == [],
          "\(description.name) \(budget)")
      }
    }
  }

  @Test(
    "Every strategy with a phase is accepted as a part for it, with its defaults",
    arguments: StrategyPhase.allCases)
  func parts(phase: StrategyPhase) {
    var names: [String] = []
    for description in StrategyRegistry.builtIn.descriptions where description.fits(phase) {
      names.append(#"{"name": "\#(description.name)"}"#)
    }
    #expect(names.count > 2)
    let list = names.joined(separator: ", ")
    #expect(Self.problems(#"{"name": "composed", "\#(phase.rawValue)": [\#(list)]}"#) == [])
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
