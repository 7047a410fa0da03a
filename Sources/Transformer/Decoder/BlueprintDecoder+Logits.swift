import Tensors

extension BlueprintDecoder {
  /// Rows of logits that exist at once in ``forEachLogits(of:_:)``.
  public static let logitsTileRows = 64

  public func logits(of hidden: Matrix, row: Int, into logits: inout [Float]) {
    fillLogits(of: hidden, rows: row..<row + 1)
    logits.removeAll(keepingCapacity: true)
    logits.append(contentsOf: logitsTile.elements)
  }

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
      hidden.columns == blueprint.hiddenSize && rows.lowerBound >= 0
        && rows.upperBound <= hidden.rows,
      """
      BlueprintDecoder.logits: rows \(rows) of \(hidden.rows) x \(hidden.columns), hidden size \
      \(blueprint.hiddenSize)
      """)
    if logitsTile.rows != rows.count {
      logitsTile = Matrix(rows: rows.count, columns: blueprint.vocabularySize)
    }
    let input = hidden.rows == rows.count ? hidden : hidden.copy(ofRows: rows)
    kernel.multiply(input, weights.output, into: &logitsTile)
  }
}
