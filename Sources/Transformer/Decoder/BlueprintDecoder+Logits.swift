import Tensors

extension BlueprintDecoder {
  /// Rows of logits that exist at once in ``forEachLogits(of:_:)``: 64 to 256, with at most 67 MB of
  /// logits. The output matrix is unpacked once for each tile, which for 64 rows takes as long as the
  /// product.
  public var logitsTileRows: Int {
    max(64, min(256, (1 << 24) / blueprint.vocabularySize / 64 * 64))
  }

  public func logits(of hidden: Matrix, row: Int, into logits: inout [Float]) {
    fillLogits(of: hidden, rows: row..<row + 1)
    logits.removeAll(keepingCapacity: true)
    logits.append(contentsOf: logitsTile.elements)
  }

  public func forEachLogits(
    of hidden: Matrix, _ body: (_ row: Int, _ logits: Span<Float>) -> Void
  ) {
    var first = 0
    while first < hidden.rows {
      // The rest below 64 rows is a tile of its own, so that a row's digits do not depend on the
      // size of tiles.
      let left = hidden.rows - first
      let rows = first..<first + min(logitsTileRows, left < 64 ? left : left / 64 * 64)
      fillLogits(of: hidden, rows: rows)
      for row in rows { body(row, logitsTile.row(row - first)) }
      first = rows.upperBound
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
