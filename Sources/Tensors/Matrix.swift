/// A row-major matrix of floats (rows x columns).
///
/// A value with copy-on-write storage: the forward pass keeps each matrix uniquely owned, so
/// writing happens in place; a second owner costs a copy, never a wrong number.
public struct Matrix: Sendable, Equatable {
  /// `rows * columns` floats, row after row.
  public var elements: [Float]
  public let rows: Int
  public let columns: Int

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, elements: [Float](repeating: 0, count: rows * columns))
  }

  /// Wraps existing elements; traps unless there are exactly `rows * columns` of them.
  public init(rows: Int, columns: Int, elements: [Float]) {
    precondition(
      elements.count == rows * columns,
      "Matrix: \(elements.count) elements for a shape of \(rows) x \(columns)")
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  public subscript(row: Int, column: Int) -> Float {
    get { elements[row * columns + column] }
    set { elements[row * columns + column] = newValue }
  }

  /// One row, borrowed.
  @_lifetime(borrow self)
  public func row(_ index: Int) -> Span<Float> {
    elements.span.extracting(index * columns..<(index + 1) * columns)
  }

  /// Consecutive rows (range.count x columns).
  public func copy(ofRows range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      elements: Array(elements[range.lowerBound * columns..<range.upperBound * columns]))
  }

  /// `self[r, :] = row` for every r of `range`; traps unless the rows exist and `row` has a number
  /// for each column.
  public mutating func fill(_ range: Range<Int>, with row: [Float]) {
    precondition(
      row.count == columns && range.lowerBound >= 0 && range.upperBound <= rows,
      "Matrix.fill: \(row.count) numbers for rows \(range) of \(rows) x \(columns)")
    let source = row.span
    let columns = columns
    var target = elements.mutableSpan
    for r in range {
      for i in source.indices { target[r * columns + i] = source[i] }
    }
  }

  /// `self[first + i, :] = source[range.lowerBound + i, :]`; traps unless the shapes agree.
  public mutating func replaceRows(from first: Int, with source: Matrix, rows range: Range<Int>) {
    precondition(
      source.columns == columns && first >= 0 && first + range.count <= rows,
      """
      Matrix.replaceRows: \(range.count) x \(source.columns) at row \(first) of \(rows) x \(columns)
      """)
    let from = source.elements.span.extracting(
      range.lowerBound * columns..<range.upperBound * columns)
    let offset = first * columns
    var target = elements.mutableSpan
    for i in from.indices { target[offset + i] = from[i] }
  }
}
