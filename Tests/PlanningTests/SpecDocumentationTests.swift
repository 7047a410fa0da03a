import Attention
import Foundation
import Planning
import Tasks
import Testing

@Suite("Guides to specs")
struct SpecDocumentationTests {
  private func text(_ name: String) throws -> String {
    try String(
      contentsOf: URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/\(name)"), encoding: .utf8)
  }

  @Test(
    "Their examples are right, and have the cells that they say",
    arguments: [("experiments.md", 45), ("tutorial.md", 9)])
  func example(name: String, cells: Int) throws {
    // The strategy that the tutorial builds is not built in: another scorer stands in.
    let text = try text(name).replacing(
      "\"value-norm\", \"budget\"", with: "\"keydiff\", \"budget\"")
    let start = try #require(text.range(of: "```json\n"))
    let end = try #require(text.range(of: "```", range: start.upperBound..<text.endIndex))
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    environment.tasks = TaskRegistry.builtIn.descriptions
    environment.strategyProblems = SpecEnvironment.problems(in: .builtIn)
    let checked = try CheckedSpec(
      reading: Array(text[start.upperBound..<end.lowerBound].utf8), source: name, in: environment)
    #expect(ExperimentPlan(checked).cells.count == cells)
  }

  @Test("The guide names every parameter of the tasks")
  func parameters() throws {
    let text = try text("experiments.md")
    for task in TaskRegistry.builtIn.descriptions {
      for parameter in task.parameters {
        #expect(text.contains("`\(parameter.name)`"), "\(task.name) \(parameter.name)")
      }
    }
  }
}
