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

/// A mistake on purpose: what the checker finds, and the sentence that says what to change.
struct Planted: CustomTestStringConvertible {
  let entry: StrategyEntry
  let failing: [Invariant]
  let sentence: String

  init<Strategy: AttentionStrategy>(
    _ type: Strategy.Type, _ failing: Invariant..., says sentence: String
  ) {
    entry = StrategyEntry(type)
    self.failing = failing
    self.sentence = sentence
  }

  var testDescription: String { "\(entry.description.name): \(sentence)" }

  static let all = [
    Planted(
      ScoredRetention<TooFewScores>.self, .answersAreComplete,
      says: "Return from `scores` one number for each of the `layer.heads[kvHead].count` tokens"),
    Planted(
      TooFewSelections.self, .answersAreComplete,
      says: "assign `selections[head]` without adding or removing any."),
    Planted(
      ScoredRetention<NotANumber>.self, .scoresAreNumbers,
      says: "Guard what can be NaN in `scores`"),
    Planted(
      PeekingAhead.self, .isCausal, says: "Select only from keys at positions up to the query"),
    Planted(
      PeekingIfTold.self, .isCausal, says: "Select only from keys at positions up to the query"),
    Planted(
      HastyDecoding.self, .isCausal, .stepsMayBeTakenTogether,
      says: "Return from `queriesDecodedTogether` at most the number of steps"),
    Planted(
      FalselyLookingAhead.self, .declaresLookingAhead, says: "Remove `selectionLooksAhead`"),
    Planted(
      ForgottenCapability.self, .actsInItsPhases, says: "Conform to the capability that you mean"),
    Planted(
      IdleCapability.self, .actsInItsPhases, says: "Conform to the capability that you mean"),
    Planted(
      EvictingItself.self, .cacheHoldsWhatWasKept,
      says: "Change nothing in the caches that the view shows"),
    Planted(
      OverBudget.self, .staysWithinBudget,
      says: "Count sinks, windows and the newest token inside `budget`"),
    Planted(
      DeafToBudgets.self, .staysWithinBudget, says: "conform to `Budgeted`"),
    Planted(
      UncountedChoices.self, .stateIsCounted,
      says: "Add to `cacheBytes` the bytes of every array and dictionary"),
    Planted(
      UncountedNotes.self, .stateIsCounted,
      says: "Add to `cacheBytes` the bytes of every array and dictionary"),
    Planted(
      Unseeded.self, .sameInputSameOutput, says: "Draw random numbers from a `SeededGenerator`"),
    Planted(
      Carrying<NextSequence>.self, .sequencesAreSeparate,
      says: "Keep what is remembered of a sequence in `State`"),
    Planted(
      Carrying<AnySequence>.self, .sequencesAreSeparate,
      says: "not in the strategy, an object that it holds, or a global."),
    Planted(
      Carrying<NextLayer>.self, .layersAreSeparate,
      says: "pass nothing from one layer to another."),
    Planted(
      Carrying<NextHead>.self, .headsAreSeparate, says: "never on the head before it."),
    Planted(
      LosingTheFirst.self, .everythingEqualsDense, says: "Leave a selection at `.everything`"),
  ]
}

@Suite("Strategy checker", .enabled(if: isOptimized, "takes many minutes without optimisation"))
struct CheckerTests {
  private func report(_ entry: StrategyEntry) throws -> CheckReport {
    try StrategyChecker(entry).run()
  }

  @Test(
    "Each mistake is caught by its name, and a sentence says what to change", arguments: Planted.all
  )
  func planted(_ mistake: Planted) throws {
    let report = try report(mistake.entry)
    #expect(!report.passes)
    #expect(
      report.invariants.filter { !$0.holds }.map(\.invariant) == mistake.failing, "\(report)")
    let sentences = report.description.split(separator: "\n").filter {
      $0.contains("What to change: ")
    }
    #expect(sentences.contains { $0.contains(mistake.sentence) }, "\(report)")
    // What `scripts/check-house` shows.
    print("caught: \(mistake.testDescription).\(sentences.first ?? "")")
  }

  @Test("Sizes are small, and each is tried at the least that it may be, too")
  func leastSizes() throws {
    var checker = try StrategyChecker(LosingTheFirst.self)
    var windows: Set<Int> = []
    checker.willRun = { checkCase in
      if let window = checkCase.parameters["localWindow"]?.integerValue { windows.insert(window) }
    }
    _ = checker.run()
    #expect(windows.isSuperset(of: [1, 32]))
  }

  @Test("Keys that stand at positions of the cache are not held against exact attention")
  func otherLogits() throws {
    let report = try report(StrategyEntry(RelativePositions.self))
    #expect(report.passes, "\(report)")
  }

  @Test("A choice shared among all heads is no leak between them")
  func sharing() throws {
    let report = try report(StrategyEntry(SharingHeads.self))
    #expect(report.passes, "\(report)")
  }

  @Test("Heads that hold 1 token and heads that hold all stand beside each other")
  func ragged() throws {
    let report = try report(StrategyEntry(RaggedHeads.self))
    #expect(report.passes, "\(report)")
  }

  @Test("The first failing case can be read from its text and fails again")
  func rerun() throws {
    let checker = try StrategyChecker(PeekingAhead.self)
    let failure = try #require(checker.run().result(of: .isCausal)?.firstFailure)
    let read = try JSONValue(parsing: failure.failingCase.description).decode(as: CheckCase.self)
    #expect(read == failure.failingCase)
    let again = checker.check(read)
    #expect(again.result(of: .isCausal)?.firstFailure == failure)
  }

  @Test("docs/measurement.md names every invariant")
  func documentation() throws {
    let text = try repositoryText("docs/measurement.md")
    for invariant in Invariant.allCases {
      #expect(text.contains("`\(invariant.rawValue)`"), "\(invariant) is not explained")
    }
  }

  @Test("A case that describes no sequence is refused, not run")
  func invalidCase() throws {
    let checker = try StrategyChecker(FullAttention.self)
    let text = """
      {"seed": 1, "layers": 1, "queryHeads": 3, "kvHeads": 2, "headDimension": 8, \
      "promptTokens": 4, "decodeTokens": 0, "cache": {"keys": "f32", "values": "f32"}, \
      "parameters": {}, "coversEverything": false}
      """
    let report = checker.check(try JSONValue(parsing: text).decode(as: CheckCase.self))
    #expect(!report.passes && report.refused.count == 1)
  }

  @Test(
    "Every registered strategy passes", arguments: StrategyRegistry.builtIn.descriptions.map(\.name)
  )
  func registry(name: String) throws {
    let report = try report(try #require(StrategyRegistry.builtIn.entry(named: name)))
    #expect(report.passes && report.refused.isEmpty, "\(report)")
    #expect(report.result(of: .everythingEqualsDense).map { $0.cases > 0 } == true, "\(report)")
  }
}

/// A file of the repository.
func repositoryText(_ path: String) throws -> String {
  let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
}
