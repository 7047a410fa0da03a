import Attention
import Foundation
import JSON
import StrategyChecker
import Testing

#if DEBUG
  private let isOptimized = false
#else
  private let isOptimized = true
#endif

@Suite("Strategy checker", .enabled(if: isOptimized, "takes many minutes without optimisation"))
struct CheckerTests {
  private func report(_ strategy: CheckedStrategy) throws -> CheckReport {
    try StrategyChecker(strategy).run()
  }

  private func failing(_ report: CheckReport) -> [Invariant] {
    report.invariants.filter { !$0.holds }.map(\.invariant)
  }

  @Test("A strategy that reads later queries without declaring it is caught")
  func peeking() throws {
    let report = try report(CheckedStrategy(PeekingAhead.self))
    #expect(failing(report) == [.isCausal], "\(report)")
    #expect(!report.passes)
  }

  @Test("A strategy that declares to look ahead and never does is caught")
  func falseDeclaration() throws {
    let report = try report(CheckedStrategy(FalselyLookingAhead.self))
    #expect(failing(report) == [.declaresLookingAhead], "\(report)")
  }

  @Test("A strategy that keeps more than its budget is caught")
  func overBudget() throws {
    let report = try report(CheckedStrategy(OverBudget.self))
    #expect(failing(report) == [.staysWithinBudget], "\(report)")
  }

  @Test("A strategy that evicts without saying so is caught")
  func secretEviction() throws {
    let report = try report(CheckedStrategy(EvictingInSecret.self))
    #expect(failing(report) == [.actsOnlyInItsPhases], "\(report)")
  }

  @Test(
    "State carried from one sequence, layer or head to the next is caught, by its name",
    arguments: [
      (Carrying.Place.sequence, Invariant.sequencesAreSeparate), (.layer, .layersAreSeparate),
      (.head, .headsAreSeparate),
    ])
  func carrying(place: Carrying.Place, invariant: Invariant) throws {
    let entry = StrategyEntry<Carrying>()
    let strategy = CheckedStrategy(description: Carrying.describe(place)) {
      try entry.makeSession(parameters: $0, shape: $1, workspace: $2)
    }
    let report = try report(strategy)
    #expect(failing(report).contains(invariant), "\(report)")
    // What is carried to the next sequence spoils every run that others are compared with.
    if place != .sequence { #expect(failing(report) == [invariant], "\(report)") }
  }

  @Test("Steps that may not be taken together are caught")
  func hasty() throws {
    let report = try report(CheckedStrategy(HastyDecoding.self))
    #expect(failing(report) == [.stepsMayBeTakenTogether], "\(report)")
  }

  @Test("A strategy that calls other logits the dense ones is caught, one that admits them passes")
  func otherLogits() throws {
    for lies in [true, false] {
      let strategy = CheckedStrategy(description: RelativePositions.description) {
        _, shape, workspace in
        AttentionSession(
          try RelativePositions(.init(lies: lies), for: shape), shape: shape, workspace: workspace)
      }
      let report = try report(strategy)
      let failing = failing(report)
      #expect(failing.contains(.equalsExactAttention) == lies, "\(report)")
      #expect(report.passes == !lies, "\(report)")
    }
  }

  @Test("A choice shared among all heads is no leak between them")
  func sharing() throws {
    let report = try report(CheckedStrategy(SharingHeads.self))
    #expect(report.passes, "\(report)")
  }

  @Test("Heads that hold 1 token and heads that hold all stand beside each other")
  func ragged() throws {
    let report = try report(CheckedStrategy(RaggedHeads.self))
    #expect(report.passes, "\(report)")
  }

  @Test("The first failing case can be read from its text and fails again")
  func rerun() throws {
    let checker = try StrategyChecker(CheckedStrategy(PeekingAhead.self))
    let failure = try #require(checker.run().result(of: .isCausal)?.firstFailure)
    let read = try JSONValue(parsing: failure.failingCase.description).decode(as: CheckCase.self)
    #expect(read == failure.failingCase)
    let again = checker.check(read)
    #expect(again.result(of: .isCausal)?.firstFailure == failure)
  }

  @Test("docs/measurement.md names every invariant")
  func documentation() throws {
    let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(
      contentsOf: root.appendingPathComponent("docs/measurement.md"), encoding: .utf8)
    for invariant in Invariant.allCases {
      #expect(text.contains("`\(invariant.rawValue)`"), "\(invariant) is not explained")
    }
  }

  @Test("A case that describes no sequence is refused, not run")
  func invalidCase() throws {
    let checker = try StrategyChecker(CheckedStrategy(FullAttention.self))
    let report = checker.check(
      CheckCase(
        seed: 1, layers: 1, queryHeads: 3, kvHeads: 2, headDimension: 8, promptTokens: 4,
        decodeTokens: 0, parameters: [:], coversEverything: false))
    #expect(!report.passes && report.refused.count == 1)
  }

  @Test(
    "Every registered strategy passes", arguments: StrategyRegistry.builtIn.descriptions.map(\.name)
  )
  func registry(name: String) throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    let report = try report(CheckedStrategy(entry))
    #expect(report.passes && report.refused.isEmpty, "\(report)")
    #expect(report.result(of: .everythingEqualsDense).map { $0.cases > 0 } == true, "\(report)")
  }
}
