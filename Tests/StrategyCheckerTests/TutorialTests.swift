import Attention
import Foundation
import StrategyChecker
import Testing

#if DEBUG
  private let isOptimized = false
#else
  private let isOptimized = true
#endif

/// The code of docs/tutorial.md is that of the folder Tutorial, which these tests compile and run.
@Suite("Tutorial")
struct TutorialTests {
  /// What a strategy of the tutorial looks like beside the built-in ones, whose module it does not import.
  private func source(_ name: String) throws -> String {
    try repositoryText("Tests/StrategyCheckerTests/Tutorial/\(name).swift")
      .replacing("import Attention\n", with: "")
  }

  @Test(
    "The docs show the code that is compiled",
    arguments: [
      ("docs/tutorial.md", "ValueNorm"), ("docs/tutorial.md", "PromptMemory"),
      ("CONTRIBUTING.md", "ValueNorm"),
    ])
  func code(document: String, name: String) throws {
    let text = try repositoryText(document)
    let block = "```swift\n\(try source(name))```\n"
    #expect(text.contains(block), "\(document) does not show \(name).swift as it is")
  }

  @Test("A scorer takes at most 20 lines of code")
  func length() throws {
    let lines = try source("ValueNorm").split(separator: "\n").filter { !$0.hasPrefix("///") }
    #expect(lines.count <= 20)
  }

  @Test(
    "What the tutorial builds passes the checker",
    .enabled(if: isOptimized, "takes minutes without optimisation"),
    arguments: ["value-norm", "prompt-memory"])
  func passes(name: String) throws {
    let registry = StrategyRegistry([
      StrategyEntry(scorer: ValueNorm.self),
      StrategyEntry(PromptMemory.self),
    ])
    let report = try StrategyChecker(try #require(registry.entry(named: name))).run()
    #expect(report.passes && report.refused.isEmpty, "\(report)")
    #expect(report.result(of: .everythingEqualsDense).map { $0.cases > 0 } == true, "\(report)")
  }
}
