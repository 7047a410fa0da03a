import Records

/// The first case in which an invariant did not hold.
public struct CheckFailure: Codable, Sendable, Hashable {
  public var message: String
  /// Runs again with `StrategyChecker.check(_:)`.
  public var failingCase: CheckCase
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

  /// A line for each invariant; under one that fails, what happened, what to change, and the case.
  public var description: String {
    var lines = ["\(strategy), seed \(seed): \(passes ? "passes" : "FAILS")"]
    for result in invariants {
      let name = result.invariant.rawValue
      if let failure = result.firstFailure {
        lines.append("  FAILS  \(name): \(result.invariant.claim)")
        lines.append("         \(failure.message)")
        lines.append("         What to change: \(result.invariant.advice)")
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
  private var current: CheckCase
  private var failedInCurrent: Set<Invariant> = []
  /// Of all cases so far: what the strategy says that it does, and what it was seen to do.
  var declaredPhases: Set<StrategyPhase> = []
  var seenPhases: Set<StrategyPhase> = []
  var declaresLookingAhead = false
  var hasLookedAhead = false
  /// Whether a case was left early, so that not all was seen.
  var isPartial = false

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
