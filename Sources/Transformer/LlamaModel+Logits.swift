import Tensors

extension LlamaModel {
  /// Rows of logits that exist at once in ``forEachLogits(of:_:)``.
  public static let logitsTileRows = 64

  /// The logits of one row of hidden states for the whole vocabulary.
  ///
  /// - Parameters:
  ///   - hidden: what ``forward(_:firstPosition:phase:attention:keeping:afterLayer:)`` gave.
  ///   - logits: replaced by vocabularySize numbers.
  public func logits(of hidden: Matrix, row: Int, into logits: inout [Float]) {
    fillLogits(of: hidden, rows: row..<row + 1)
    logits.removeAll(keepingCapacity: true)
    logits.append(contentsOf: logitsTile.elements)
  }

  /// Calls `body` with the logits of each row in turn, ascending; never more than ``logitsTileRows`` rows exist.
  public func forEachLogits(
    of hidden: Matrix, _ body: (_ row: Int, _ logits: Span<Float>) -> Void
  ) {
    for first in stride(from: 0, to: hidden.rows, by: Self.logitsTileRows) {
      let rows = first..<min(first + Self.logitsTileRows, hidden.rows)
      fillLogits(of: hidden, rows: rows)
      for row in rows { body(row, logitsTile.row(row - first)) }
    }
  }

  private func fillLogits(of hidden: Matrix, rows: Range<Int>) {
    precondition(
      hidden.columns == configuration.hiddenSize && rows.lowerBound >= 0
        && rows.upperBound <= hidden.rows,
      "LlamaModel.logits: rows \(rows) of \(hidden.rows) x \(hidden.columns), hidden size \(configuration.hiddenSize)"
    )
    if logitsTile.rows != rows.count {
      logitsTile = Matrix(rows: rows.count, columns: configuration.vocabularySize)
    }
    let input = hidden.rows == rows.count ? hidden : hidden.copy(ofRows: rows)
    kernel.multiply(input, weights.output, into: &logitsTile)
  }
}
