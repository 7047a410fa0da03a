/// What must hold of every strategy.
public enum Invariant: String, Codable, Sendable, Hashable, CaseIterable {
  case everythingEqualsDense
  case attendsToItself
  case isCausal
  case declaresLookingAhead
  case actsOnlyInItsPhases
  case attendedIsCounted
  case equalsExactAttention
  case boundHolds
  case retainedMassIsAtMostOne
  case oracleRetainsMost
  case staysWithinBudget
  case cacheHoldsWhatWasKept
  case memoryFalls
  case sameInputSameOutput
  case sequencesAreSeparate
  case layersAreSeparate
  case headsAreSeparate
  case stepsMayBeTakenTogether

  /// The claim that is checked.
  public var claim: String {
    switch self {
    case .everythingEqualsDense:
      "With parameters that keep everything, each head's output equals dense attention within 1e-6"
    case .attendsToItself: "Every query attends at least to its own token"
    case .isCausal:
      "What a later token says changes no earlier output, unless selectionLooksAhead is declared"
    case .declaresLookingAhead: "A declared selectionLooksAhead shows in some case"
    case .actsOnlyInItsPhases: "Nothing is left out in a phase that is not declared"
    case .attendedIsCounted: "The pairs counted are the pairs that selections and cache show"
    case .equalsExactAttention:
      "The output is attention over exactly the attended keys, within 1e-5 of double precision"
    case .boundHolds: "‖Ô−O‖₁ ≤ 2 γ M + 1e-5 M for every query, γ and O in double precision"
    case .retainedMassIsAtMostOne: "No query retains more than its whole attention mass"
    case .oracleRetainsMost:
      "No query retains more of its attention mass than oracle-top-k does with as many keys"
    case .staysWithinBudget: "A budget is not exceeded"
    case .cacheHoldsWhatWasKept:
      "The cache holds exactly the tokens that retention kept, unchanged, in order"
    case .memoryFalls: "Allocated memory falls when tokens leave"
    case .sameInputSameOutput:
      "The same input gives the same output to the last bit, for any number of threads"
    case .sequencesAreSeparate: "A sequence leaves no trace in the next, nor in one beside it"
    case .layersAreSeparate: "What one layer sees changes nothing in another"
    case .headsAreSeparate:
      "KV heads do not depend on each other, or only as a set: trading places changes nothing else"
    case .stepsMayBeTakenTogether:
      "Decode steps that may be taken together give what they give one by one"
    }
  }
}

/// The first case in which an invariant did not hold.
public struct CheckFailure: Codable, Sendable, Hashable {
  public var message: String
  /// Runs again with `StrategyChecker.check(_:)`.
  public var failingCase: CheckCase

  public init(message: String, failingCase: CheckCase) {
    self.message = message
    self.failingCase = failingCase
  }
}

/// What became of one invariant.
public struct InvariantResult: Codable, Sendable, Hashable {
  public var invariant: Invariant
  /// Cases in which it was looked at; with 0 it does not apply to the strategy.
  public var cases: Int
  /// Cases in which it did not hold, and the first of them.
  public var failures: Int
  public var firstFailure: CheckFailure?

  public var holds: Bool { failures == 0 }
}

/// The verdict on one strategy.
public struct CheckReport: Codable, Sendable, Hashable, CustomStringConvertible {
  public var strategy: String
  public var seed: Int
  public var invariants: [InvariantResult]
  /// Cases whose parameters the strategy refused, with its reason.
  public var refused: [CheckFailure]

  /// True if some case was run and every invariant held.
  public var passes: Bool {
    invariants.allSatisfy(\.holds) && invariants.contains { $0.cases > 0 }
  }

  public func result(of invariant: Invariant) -> InvariantResult? {
    invariants.first { $0.invariant == invariant }
  }

  /// A line for each invariant; under one that fails, what happened and the case.
  public var description: String {
    var lines = ["\(strategy), seed \(seed): \(passes ? "passes" : "FAILS")"]
    for result in invariants {
      let name = result.invariant.rawValue
      if let failure = result.firstFailure {
        lines.append("  FAILS  \(name): \(result.invariant.claim)")
        lines.append("         \(failure.message)")
        lines.append("         in \(result.failures) of \(result.cases) cases, the first:")
        lines.append("         \(failure.failingCase)")
      } else if result.cases == 0 {
        lines.append("  -      \(name): does not apply")
      } else {
        lines.append("  holds  \(name) (\(result.cases) cases)")
      }
    }
    let reasons = Set(refused.map(\.message)).sorted()
    for reason in reasons {
      let count = refused.count { $0.message == reason }
      lines.append("  refused parameters of \(count) cases: \(reason)")
    }
    return lines.joined(separator: "\n")
  }
}

/// Collects verdicts while cases run.
struct CheckLog {
  private var cases: [Invariant: Int] = [:]
  private var failures: [Invariant: Int] = [:]
  private var first: [Invariant: CheckFailure] = [:]
  private var refused: [CheckFailure] = []
  /// The case that is running.
  var current: CheckCase
  private var failedInCurrent: Set<Invariant> = []

  init(_ first: CheckCase) { current = first }

  mutating func begin(_ next: CheckCase) {
    current = next
    failedInCurrent = []
  }

  /// Notes that an invariant was looked at in this case.
  mutating func look(at invariant: Invariant) { cases[invariant, default: 0] += 1 }

  /// Notes that it does not hold; the first message of the first case is kept.
  mutating func fail(_ invariant: Invariant, _ message: @autoclosure () -> String) {
    guard failedInCurrent.insert(invariant).inserted else { return }
    failures[invariant, default: 0] += 1
    if first[invariant] == nil {
      first[invariant] = CheckFailure(message: message(), failingCase: current)
    }
  }

  mutating func refuse(_ reason: String) {
    refused.append(CheckFailure(message: reason, failingCase: current))
  }

  func report(strategy: String, seed: Int) -> CheckReport {
    CheckReport(
      strategy: strategy, seed: seed,
      invariants: Invariant.allCases.map { invariant in
        InvariantResult(
          invariant: invariant, cases: cases[invariant] ?? 0,
          failures: failures[invariant] ?? 0, firstFailure: first[invariant])
      }, refused: refused)
  }
}
