import Attention
import Records
import Tasks
import Tensors

/// What the cells of a group take, pass by pass, in seconds: for a plan's estimate, and for a run's progress, which
/// corrects it by its own pace.
///
/// - One dense pass over all samples serves all cells that lack errors, quality or memory; there is none where `full` is
///   done and the others lack only memory or answers. With errors it has two dense references, the exact one and the one
///   of the cache that goes on, and each strategy's attention beside them.
/// - Each strategy but `full` then has a pass of its own, with the same references where errors are asked for.
/// - A budget of mean bytes that follows from no count of tokens is searched by passes over two samples, a level of a
///   whole model's density by one over each of two, what an oracle reads by one over every sample.
/// - A timing group has `warmups + repeats` passes over the first sample, twice as many of `full`; without one, a peak
///   of memory takes a pass where errors are measured in the cell's own.
public struct GroupWork: Sendable {
  /// A cell, and what is asked of it.
  private struct Subject {
    let kinds: Set<ResultKind>
    let isFull: Bool
    /// Of a prompt's causal pairs, what its attention does in the layers that it acts on.
    let attendedShare: Double
    /// Passes over a sample each that come before its own.
    let searches: Int
    let readsFuture: Bool

    var isMeasured: Bool { !kinds.isSubset(of: [.latency]) }
    var hasErrors: Bool { kinds.contains(.approximation) }
  }

  private let cost: PassCost
  private let subjects: [String: Subject]
  private let decodeTokens: Double
  private let timedRounds: Double
  /// Rounds more for a cell where `full`, which is timed twice a round, was timed before.
  private let referenceRounds: Double
  private let hasErrors: Bool
  /// Whether the dense pass is needed whatever the task, and where tokens are scored.
  private let needsDense: (always: Bool, forScores: Bool)
  /// Of the dense pass what falls on a cell but `full`; nothing where that has it all.
  private let denseShare: Double
  /// Of what oracles read, found out once for all of them.
  private let futureShare: Double

  /// - Parameters:
  ///   - strategies: by the identity of the cell.
  ///   - missing: what a cell still lacks; nothing where it is done.
  public init(
    of group: CellGroup, model: ModelFacts, strategies: [String: ConfiguredStrategy],
    warmups: Int, repeats: Int, rates: MachineRates = .assumed,
    missing: (PlannedCell) -> Set<ResultKind>
  ) {
    cost = PassCost(model, rates)
    decodeTokens = Double(group.cells.first?.decodeTokens ?? 0)
    timedRounds = Double(warmups + repeats)
    subjects = group.cells.reduce(into: [:]) { subjects, cell in
      let kinds = missing(cell)
      guard !kinds.isEmpty else { return }
      let parts = strategies[cell.cell.identity]?.withParts ?? []
      subjects[cell.cell.identity] = Subject(
        kinds: kinds, isFull: cell.cell.identity == cell.fullIdentity,
        attendedShare: parts.contains { $0.strategy is any SelectsInPrefill } ? 0.5 : 1,
        searches: parts.reduce(0) { $0 + Self.searches(of: $1) },
        readsFuture: cell.cell.readsFuture)
    }
    let measured = subjects.values.filter(\.isMeasured)
    hasErrors = measured.contains(where: \.hasErrors)
    needsDense = (
      always: hasErrors || measured.contains(where: \.isFull),
      forScores: measured.contains { $0.kinds.contains(.quality) }
    )
    let timed = subjects.values.filter { $0.kinds.contains(.latency) }
    referenceRounds =
      timed.contains(where: \.isFull) ? 0 : 2 * timedRounds / Double(max(1, timed.count))
    futureShare = 1 / Double(max(1, measured.count(where: \.readsFuture)))
    denseShare = measured.contains(where: \.isFull) ? 0 : 1 / Double(max(1, measured.count))
  }

  private static func searches(of strategy: ConfiguredStrategy) -> Int {
    guard let budgeted = strategy.strategy as? any Budgeted, let budget = strategy.budget else {
      return 0
    }
    if budget.isMeanOverSteps {
      let isKnown =
        budgeted.tokensHeld(atStep: 1, afterPrompt: 1, headDimension: 64) != nil
        && !strategy.cache.bytesChangeWithAge
      // Mostly two or three times two samples.
      return isKnown ? 0 : 4
    }
    return (budgeted as? any SelectsByLevel)?.densityScope == .model ? 2 : 0
  }

  /// Seconds of a pass over one sample: until its prompt is attended, and after that.
  public struct Pass: Sendable, Hashable {
    public var prompt: Double
    public var rest: Double

    public init(prompt: Double = 0, rest: Double = 0) {
      self.prompt = prompt
      self.rest = rest
    }

    public var seconds: Double { prompt + rest }

    static func + (left: Pass, right: Pass) -> Pass {
      Pass(prompt: left.prompt + right.prompt, rest: left.rest + right.rest)
    }

    static func * (factor: Double, pass: Pass) -> Pass {
      Pass(prompt: factor * pass.prompt, rest: factor * pass.rest)
    }
  }

  // MARK: Passes

  /// The dense pass with all strategies beside it.
  public func densePass(over length: SampleLength) -> Pass {
    subjects.values.reduce(denseBase(length)) { $0 + besides($1, length) }
  }

  private func denseBase(_ length: SampleLength) -> Pass {
    guard needsDense.always || needsDense.forScores && length.scored > 0 else { return Pass() }
    return body(length) + (hasErrors ? 2 : 1) * attention(length)
      + Pass(rest: cost.scoring(Double(length.scored)))
  }

  private func besides(_ subject: Subject, _ length: SampleLength) -> Pass {
    subject.hasErrors && !subject.isFull ? attention(length, subject.attendedShare) : Pass()
  }

  /// The pass of a cell's own; nothing for `full`, whose own pass is the dense one.
  public func ownPass(of cell: String, over length: SampleLength) -> Pass {
    guard let subject = subjects[cell], subject.isMeasured, !subject.isFull else { return Pass() }
    let references = subject.hasErrors && !cost.isSynthetic ? 2.0 : 0
    return body(length) + attention(length, subject.attendedShare) + references * attention(length)
      + Pass(rest: 2 * cost.scoring(Double(length.scored)))
  }

  /// What is done before its own pass: the search for its budget, and what an oracle reads.
  public func preparation(of cell: String, over samples: [SampleLength], count: Int = 1) -> Double {
    guard let subject = subjects[cell], subject.isMeasured, let first = samples.first else {
      return 0
    }
    let search = (body(first) + attention(first, subject.attendedShare)).seconds
    let future = samples.reduce(0) { $0 + (body($1) + attention($1)).seconds }
    return Double(subject.searches) * search
      + (subject.readsFuture ? futureShare * Double(count) * future : 0)
  }

  /// One run of a sample that nothing watches.
  public func timedPass(of cell: String, over length: SampleLength) -> Double {
    var length = length
    length.greedy = Int(min(decodeTokens, 1e9))
    return (body(length) + attention(length, subjects[cell]?.attendedShare ?? 1)).seconds
  }

  /// The matrices.
  private func body(_ length: SampleLength) -> Pass {
    Pass(
      prompt: cost.matrices(Double(length.prompt)),
      rest: cost.matrices(Double(length.known)) + cost.steps(Double(length.greedy)))
  }

  private func attention(_ length: SampleLength, _ share: Double = 1) -> Pass {
    let prompt = Double(length.prompt)
    return Pass(
      prompt: cost.attention(prompt, share: share),
      rest: cost.attention(Double(length.decoded), after: prompt))
  }

  // MARK: Sums

  /// Seconds of one cell: its own passes, and what it adds to those that it shares. The dense pass itself is `full`'s, or
  /// falls on all alike where `full` is done.
  ///
  /// - Parameter count: stands for as many samples of each of these lengths.
  public func seconds(of cell: String, over samples: [SampleLength], count: Int = 1) -> Double {
    guard let subject = subjects[cell], let first = samples.first else { return 0 }
    let times = Double(count)
    var seconds = preparation(of: cell, over: samples, count: count)
    if subject.isMeasured {
      let share = subject.isFull ? 1 : denseShare
      for sample in samples {
        seconds +=
          times
          * (share * denseBase(sample).seconds + besides(subject, sample).seconds
            + ownPass(of: cell, over: sample).seconds)
      }
    }
    let rounds =
      subject.kinds.contains(.latency)
      ? timedRounds * (subject.isFull ? 2 : 1) + referenceRounds
      : subject.kinds.contains(.memory) && subject.hasErrors ? 1 : 0
    return seconds + rounds * timedPass(of: cell, over: first)
  }

  /// Seconds of all cells.
  public func seconds(over samples: [SampleLength], count: Int = 1) -> Double {
    subjects.keys.reduce(0) { $0 + seconds(of: $1, over: samples, count: count) }
  }
}
