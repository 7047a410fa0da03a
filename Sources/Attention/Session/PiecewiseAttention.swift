import Kernels
import Tensors

/// A session that accepts decode steps of any size and splits each into pieces its strategy allows.
///
/// Within a layer, tokens meet the cache as in single steps: whatever is due before a token happens
/// before it, and no selection sees a later one. So the results are those of single steps, while
/// everything around attention (above all the weights) is processed for many tokens at once. For
/// texts known in advance; not for timing.
public final class PiecewiseAttention: LayerAttention {
  private let session: AttentionSession
  /// A decode step's keys and values, until its queries come.
  private var step: (keys: Matrix, values: Matrix)?

  public init(_ session: AttentionSession) { self.session = session }

  public var shape: AttentionShape { session.shape }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    switch phase {
    case .prefill:
      session.cache(
        layer: layer, phase: phase, keys: keys, values: values, firstPosition: firstPosition)
    case .decode: step = (keys, values)
    }
  }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    guard let (keys, values) = step.take() else {
      return session.attend(
        layer: layer, phase: phase, queries: queries, firstPosition: firstPosition, take: take)
    }
    var output = Matrix(rows: queries.rows, columns: queries.columns)
    let outcome = session.attendInPieces(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    take(0..<queries.rows, output)
    return outcome
  }
}

extension AttentionSession {
  /// Attends as `attend` does, a decode step of any size in pieces: as many rows at a time as the
  /// strategy allows. A prompt is one piece.
  ///
  /// - Parameter afterPiece: called after each piece with its rows of the step, its output
  ///   (rows.count x queryHeads·headDimension) and its outcome, when the caches are those after the
  ///   piece.
  @discardableResult
  public func attendInPieces(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix,
    afterPiece: (_ rows: Range<Int>, _ output: Matrix, AttentionOutcome) -> Void = { _, _, _ in }
  ) -> AttentionOutcome {
    var whole = AttentionOutcome(logSumExp: [], pairs: [])
    var row = 0
    repeat {
      let together =
        phase == .prefill ? queries.rows : queriesDecodedTogether(from: firstPosition + row)
      let rows = row..<row + min(together, queries.rows - row)
      row = rows.upperBound
      if rows.count == queries.rows {
        let outcome = attend(
          layer: layer, phase: phase, queries: queries, keys: keys, values: values,
          firstPosition: firstPosition, output: &output)
        afterPiece(rows, output, outcome)
        return outcome
      }
      var piece = Matrix(rows: rows.count, columns: output.columns)
      let outcome = attend(
        layer: layer, phase: phase, queries: queries.copy(ofRows: rows),
        keys: keys.copy(ofRows: rows), values: values.copy(ofRows: rows),
        firstPosition: firstPosition + rows.lowerBound, output: &piece)
      afterPiece(rows, piece, outcome)
      output.replaceRows(from: rows.lowerBound, with: piece, rows: 0..<rows.count)
      whole.add(outcome, ofRows: rows, of: queries.rows)
    } while row < queries.rows
    return whole
  }
}

extension AttentionOutcome {
  /// Adds the outcome of some rows of a call.
  fileprivate mutating func add(_ piece: AttentionOutcome, ofRows rows: Range<Int>, of count: Int) {
    if pairs.isEmpty {
      pairs = Array(repeating: PairCounts(), count: piece.pairs.count)
      logSumExp = [Float](repeating: 0, count: piece.pairs.count * count)
    }
    for head in pairs.indices {
      pairs[head] += piece.pairs[head]
      for row in rows {
        logSumExp[head * count + row] =
          piece.logSumExp[head * rows.count + row - rows.lowerBound]
      }
    }
  }
}
