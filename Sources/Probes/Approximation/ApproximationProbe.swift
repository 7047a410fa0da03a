import Attention
import Foundation
import Kernels
import Records
import Tensors

/// Attention that measures: runs dense attention and one or several strategies on the same queries, keys and values,
/// and adds up how far their outputs are apart.
///
/// `isolated`: the dense output goes on to the next layer, so one pass serves any number of strategies. `propagated`:
/// the output of the only strategy goes on; all references are dense attention on that run's own Q, K, V. In decode
/// they are shadow caches that never evict. No (queries x keys) matrix is made: a query costs one pass over its output
/// row and two exponentials. Not for timing; a timed pass runs a session without a probe.
///
/// There are two references. The error of the output is against attention over the exact keys and values. The dropped
/// mass, and the difference and M of its bound, are against dense attention over the tokens as the strategy's cache
/// holds them: the bound speaks of what a selection drops, not of what a format rounds.
///
///     let probe = ApproximationProbe(.propagated, dense: full(), sparse: [tca()])
///     try model.forward(tokens, …, attention: probe)           // the prompt, then decode steps
///     probe.beginSample(dense: full(), sparse: [tca()])        // the next sample, with new sessions
///     …
///     let heads = probe.finish()                               // of all samples, one list for each strategy
///
/// A layer with a window of its own is the same under every strategy: it attends, and nothing is measured there.
///
/// Where a session's logits are not the dense ones it has no dropped mass and no bound, only errors of its output.
///
/// A query that breaks the bound is in ``failures``; its cell's figures are not to be trusted.
public final class ApproximationProbe: LayerAttention {
  public let setting: ErrorSetting
  public let shape: AttentionShape
  /// Whether the dense cache stays after the prefill. Without it a layer's dense cache is freed as soon as the layer
  /// has attended, and a decode step traps.
  public let keepsShadow: Bool
  /// The first query of each strategy, in the order of the sessions, that broke the bound or was no number.
  public private(set) var failures: [ApproximationFailure?]
  private var dense: AttentionSession
  private var sparse: [AttentionSession]
  /// Dense sessions by the format of their caches: the exact one, those in the formats of the strategies' caches, and
  /// the one whose output goes on.
  private var references: [CacheFormat: AttentionSession] = [:]
  /// Takes the output that does not go on.
  private var scratch = Matrix(rows: 0, columns: 0)
  /// The keys and values that were cached last.
  private var step: (keys: Matrix, values: Matrix)?
  /// By session and phase; (layers x query heads).
  private var errors: [[AttentionPhase: [HeadErrors]]]
  /// M by format and layer.
  private var largestValues: [CacheFormat: [LargestValues]] = [:]

  /// - Parameters:
  ///   - dense: a new session of full attention, with a cache of any format.
  ///   - sparse: new sessions of the strategies, of the same shape; for `propagated` exactly one. `dense` itself among
  ///     them is compared with its own output, without attending twice.
  ///   - keepsShadow: false where only a prefill is measured, to save the dense cache's memory.
  public init(
    _ setting: ErrorSetting, dense: AttentionSession, sparse: [AttentionSession],
    keepsShadow: Bool = true
  ) {
    self.setting = setting
    self.keepsShadow = keepsShadow
    self.dense = dense
    self.sparse = sparse
    shape = dense.shape
    failures = Array(repeating: nil, count: sparse.count)
    errors = Array(repeating: [:], count: sparse.count)
    beginSessions()
  }

  /// Closes the sample in progress and goes on with new sessions of the same strategies, in the same order.
  public func beginSample(dense: AttentionSession, sparse: [AttentionSession]) {
    precondition(
      sparse.count == self.sparse.count && dense.shape == shape,
      "ApproximationProbe.beginSample: \(sparse.count) sessions after \(self.sparse.count)")
    endSample()
    self.dense = dense
    self.sparse = sparse
    beginSessions()
  }

  /// Closes the last sample: the measured heads of each strategy, in the order of the sessions, sorted by phase
  /// (prefill first), layer and query head. Phases without a query are absent.
  public func finish() -> [[HeadMeasurement]] {
    endSample()
    return errors.map { phases in
      AttentionPhase.allCases.flatMap { phase in
        (phases[phase] ?? []).enumerated().compactMap { index, head in
          head.measurement(
            setting: setting, phase: MeasuredPhase(phase), layer: index / shape.queryHeads,
            queryHead: index % shape.queryHeads)
        }
      }
    }
  }

  // MARK: LayerAttention

  /// Any number: a strategy takes its share of a step in pieces, so that the dense run does not depend on which
  /// strategies stand beside it.
  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) { step = (keys, values) }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    guard let (keys, values) = step.take() else {
      preconditionFailure("ApproximationProbe: queries at \(firstPosition) without keys")
    }
    var output = Matrix(rows: queries.rows, columns: queries.columns)
    let outcome = attend(
      layer, phase, queries, keys, values, firstPosition: firstPosition, output: &output)
    take(0..<queries.rows, output)
    return outcome
  }

  private func attend(
    _ layer: Int, _ phase: AttentionPhase, _ queries: Matrix, _ keys: Matrix, _ values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) -> AttentionOutcome {
    precondition(
      keepsShadow || phase == .prefill,
      "ApproximationProbe: a decode step at \(firstPosition) without a shadow cache; use keepsShadow: true"
    )
    guard shape.geometry[layer].window == nil else {
      return attendWithinWindow(
        layer, phase, queries, keys, values, firstPosition: firstPosition, output: &output)
    }
    if scratch.rows != output.rows || scratch.columns != output.columns {
      scratch = Matrix(rows: output.rows, columns: output.columns)
    }
    func attend(
      _ session: AttentionSession, into output: inout Matrix,
      afterPiece: (Range<Int>, Matrix, AttentionOutcome) -> Void = { _, _, _ in }
    ) -> AttentionOutcome {
      session.attendInPieces(
        layer: layer, phase: phase, queries: queries, keys: keys, values: values,
        firstPosition: firstPosition, output: &output, afterPiece: afterPiece)
    }
    // The dense output goes on in one setting and is a reference in both.
    var goingOn: AttentionOutcome?
    var stored: [CacheFormat: DenseReference] = [:]
    for (format, session) in references {
      var largest = [Float](repeating: 0, count: shape.kvHeads * queries.rows)
      let outcome = attend(session, into: &scratch) { rows, _, _ in
        let found = largestValues[format]?[layer].note(
          rows, of: values, phase: phase, in: session.caches[layer])
        for (index, value) in (found ?? []).enumerated() {
          largest[index / rows.count * queries.rows + rows.lowerBound + index % rows.count] = value
        }
      }
      stored[format] = DenseReference(
        output: scratch, logSumExp: outcome.logSumExp, largestValues: largest)
      if session === dense, setting == .isolated {
        output = scratch
        goingOn = outcome
      }
    }
    guard let exact = stored[.f32]?.output else {
      preconditionFailure("ApproximationProbe: no exact reference")
    }
    func call(_ session: AttentionSession) -> ProbedCall {
      guard let reference = stored[session.cache] else {
        preconditionFailure("ApproximationProbe: no reference in \(session.cache)")
      }
      return ProbedCall(
        layer: layer, phase: phase, firstPosition: firstPosition, rows: queries.rows, exact: exact,
        stored: reference, isExact: session.cache == .f32)
    }
    for index in sparse.indices {
      let call = call(sparse[index])
      if let goingOn, sparse[index] === dense {
        compare(index, call, rows: 0..<queries.rows, output: call.stored.output, goingOn)
        continue
      }
      let outcome = attend(sparse[index], into: &scratch) { rows, piece, outcome in
        compare(index, call, rows: rows, output: piece, outcome)
      }
      if setting == .propagated {
        output = scratch
        goingOn = outcome
      }
    }
    if !keepsShadow {
      for session in references.values {
        for head in session.caches[layer] { head.removeAll() }
      }
    }
    guard let goingOn else { preconditionFailure("ApproximationProbe: nothing attended") }
    return goingOn
  }

  /// Only the session whose output goes on attends.
  private func attendWithinWindow(
    _ layer: Int, _ phase: AttentionPhase, _ queries: Matrix, _ keys: Matrix, _ values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) -> AttentionOutcome {
    let session = setting == .isolated ? dense : sparse[0]
    let outcome = session.attendInPieces(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    if setting == .isolated, !keepsShadow {
      for head in dense.caches[layer] { head.removeAll() }
    }
    return outcome
  }

  // MARK: Measuring

  /// Compares a piece of a session's call, which has `rows` of the dense one, head by head.
  ///
  /// - Parameters:
  ///   - output, outcome: the session's, the output (rows.count x queryHeads·d).
  private func compare(
    _ index: Int, _ call: ProbedCall, rows: Range<Int>, output: Matrix, _ outcome: AttentionOutcome
  ) {
    let session = sparse[index]
    var heads =
      errors[index][call.phase]
      ?? Array(repeating: HeadErrors(), count: shape.layers * shape.queryHeads)
    errors[index][call.phase] = nil  // so that `heads` is changed in place
    let measuresMass = session.logitsAreDense
    let caches = session.caches[call.layer]
    let d = shape.headDimension
    for head in 0..<shape.queryHeads {
      let kvHead = shape.kvHead(of: head)
      let place = call.layer * shape.queryHeads + head
      for row in rows {
        let columns = head * d..<(head + 1) * d
        let own = output.row(row - rows.lowerBound).extracting(columns)
        let difference = OutputDifference.sums(own, call.exact.row(row).extracting(columns))
        heads[place].observe(difference)
        let absoluteDifference =
          call.isExact
          ? difference.absoluteDifference
          : OutputDifference.sums(own, call.stored.output.row(row).extracting(columns))
            .absoluteDifference
        var limit: Double?
        if measuresMass {
          let sum = outcome.logSumExp[head * rows.count + row - rows.lowerBound]
          let denseSum = call.stored.logSumExp[head * call.rows + row]
          limit = heads[place].observe(
            droppedMass: max(0, -expm1(Double(sum) - Double(denseSum))),
            absoluteDifference: absoluteDifference,
            largestValue: Double(call.stored.largestValues[kvHead * call.rows + row]))
        }
        // Written so that NaN on either side is a failure.
        if !(absoluteDifference <= limit ?? .greatestFiniteMagnitude),
          failures[index] == nil
        {
          failures[index] = ApproximationFailure(
            strategy: session.name, setting: setting, phase: call.phase,
            layer: call.layer, queryHead: head, query: call.firstPosition + row,
            difference: absoluteDifference, limit: limit)
        }
      }
      heads[place].observe(
        pairs: outcome.pairs[head], causalPairs: call.causalPairs(of: rows),
        retainedFraction: Double(caches[kvHead].heldCount)
          / Double(call.firstPosition + rows.upperBound))
    }
    errors[index][call.phase] = heads
  }

  private func endSample() {
    for index in errors.indices {
      for phase in AttentionPhase.allCases {
        guard var heads = errors[index].removeValue(forKey: phase) else { continue }
        for place in heads.indices { heads[place].endSample() }
        errors[index][phase] = heads
      }
    }
  }

  /// Checks the sessions of a new sample, and begins the references that they need.
  private func beginSessions() {
    var formats = Set(sparse.map(\.cache)).union([.f32])
    if setting == .isolated { formats.insert(dense.cache) }
    references = Dictionary(
      uniqueKeysWithValues: formats.map { format in
        let session =
          format == dense.cache
          ? dense
          : AttentionSession(
            FullAttention(), shape: shape, workspace: dense.workspace, cache: format)
        return (format, session)
      })
    largestValues = references.mapValues { _ in
      Array(repeating: LargestValues(kvHeads: shape.kvHeads), count: shape.layers)
    }
    precondition(
      !sparse.isEmpty && (setting == .isolated || sparse.count == 1),
      "ApproximationProbe: \(sparse.count) strategies; isolated takes one or more, propagated one")
    for session in sparse {
      precondition(
        session.shape == dense.shape,
        "ApproximationProbe: the shape of \(session.name) is not the dense session's")
    }
  }
}

/// What dense attention over the tokens as a format holds them gave in one call.
private struct DenseReference {
  /// (rows x queryHeads·d).
  let output: Matrix
  /// (query heads x rows).
  let logSumExp: [Float]
  /// M, (KV heads x rows).
  let largestValues: [Float]
}

/// One call of a layer, as the comparison of a session sees it.
private struct ProbedCall {
  let layer: Int
  let phase: AttentionPhase
  let firstPosition: Int
  let rows: Int
  /// Dense attention over the exact tokens (rows x queryHeads·d).
  let exact: Matrix
  /// Over the tokens as the session's cache holds them.
  let stored: DenseReference
  /// Whether the two are the same.
  let isExact: Bool

  /// Σ (position + 1) over some of the call's queries.
  func causalPairs(of rows: Range<Int>) -> Int {
    let first = firstPosition + rows.lowerBound
    return rows.count * first + rows.count * (rows.count + 1) / 2
  }
}

extension MeasuredPhase {
  init(_ phase: AttentionPhase) {
    switch phase {
    case .prefill: self = .prefill
    case .decode: self = .decode
    }
  }
}
