import Attention
import Foundation
import Planning
import Tasks
import Testing

@Suite("The guide to specs")
struct SpecDocumentationTests {
  static let text = try? String(
    contentsOf: URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("docs/experiments.md"), encoding: .utf8)

  @Test("Its example is right, and has the cells that it says")
  func example() throws {
    let text = try #require(Self.text)
    let start = try #require(text.range(of: "```json\n"))
    let end = try #require(text.range(of: "```", range: start.upperBound..<text.endIndex))
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    environment.tasks = TaskRegistry.builtIn.descriptions
    environment.strategyProblems = SpecEnvironment.problems(in: .builtIn)
    let checked = try CheckedSpec(
      reading: Array(text[start.upperBound..<end.lowerBound].utf8), source: "experiments.md",
      in: environment)
    #expect(ExperimentPlan(checked).cells.count == 45)
  }

  @Test("It names every parameter of the tasks")
  func parameters() throws {
    let text = try #require(Self.text)
    for task in TaskRegistry.builtIn.descriptions {
      for parameter in task.parameters {
        #expect(text.contains("`\(parameter.name)`"), "\(task.name) \(parameter.name)")
      }
    }
  }
}
