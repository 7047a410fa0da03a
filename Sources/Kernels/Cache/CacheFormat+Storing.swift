import Tensors

extension CacheFormat {
  /// The numbers as a cache of this format gives them back.
  public func stored(_ matrix: Matrix) -> Matrix {
    guard self != .f32 else { return matrix }
    var storage = RowStorage(self, width: matrix.columns)
    storage.reallocate(keeping: [], capacity: matrix.rows)
    storage.write(matrix, column: 0, at: 0)
    let rows = storage.rows(0..<matrix.rows, scale: 1)
    return Matrix(rows: matrix.rows, columns: matrix.columns, elements: rows.elements)
  }
}
