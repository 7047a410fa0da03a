import Tensors

/// A session that is given decode steps of any size and takes each in the pieces that its strategy allows.
///
/// Inside a layer token after token meets the cache as in steps of one: what is due before a token happens before it,
/// and no selection sees a later one. So the results are those of single steps, while everything around attention (the
/// weights, above all) is worked on for many tokens at once. For texts that are known beforehand; not for timing.
public final class PiecewiseAttention: LayerAttention {
  private let session: any StrategySession

  public init(_ session: any StrategySession) { self.session = session }

  public var shape: AttentionShape { session.shape }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) {
    session.attendInPieces(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
  }
}

extension StrategySession {
  /// Attends as `attend` does, a decode step of any size in pieces: as many rows at a time as the strategy allows. A
  /// prompt is one piece.
  ///
  /// - Parameter afterPiece: called after each piece with its rows of the step and its output (rows.count x
  ///   queryHeads·headDimension), when the session's figures (`pairs`, `logSumExp`, `caches`) are those of the piece.
  public func attendInPieces(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix,
    afterPiece: (_ rows: Range<Int>, _ output: Matrix) -> Void = { _, _ in }
  ) {
    var row = 0
    repeat {
      let together =
        phase == .prefill ? queries.rows : max(1, queriesDecodedTogether(from: firstPosition + row))
      let rows = row..<row + min(together, queries.rows - row)
      row = rows.upperBound
      if rows.count == queries.rows {
        attend(
          layer: layer, phase: phase, queries: queries, keys: keys, values: values,
          firstPosition: firstPosition, output: &output)
        afterPiece(rows, output)
      } else {
        var piece = Matrix(rows: rows.count, columns: output.columns)
        attend(
          layer: layer, phase: phase, queries: queries.copy(ofRows: rows),
          keys: keys.copy(ofRows: rows),
          values: values.copy(ofRows: rows), firstPosition: firstPosition + rows.lowerBound,
          output: &piece)
        afterPiece(rows, piece)
        output.replaceRows(from: rows.lowerBound, with: piece, rows: 0..<rows.count)
      }
    } while row < queries.rows
  }
}
