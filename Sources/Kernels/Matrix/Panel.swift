/// Up to 32 rows of a matrix, transposed, (depth x 32) row-major: the right side of a
/// ``StripProduct`` for a product with the transposed matrix.
enum Panel {
  static let rows = StripProduct.width

  /// Writes a panel of `rows` rows (1…32) of `depth` floats; columns of the panel without a row
  /// become zero.
  ///
  /// `row` gives the address of a row of the matrix.
  @inline(__always)
  static func pack(
    rows: Int, depth: Int, into panel: UnsafeMutablePointer<Float>,
    row: (Int) -> UnsafePointer<Float>
  ) {
    if rows == Panel.rows {
      pack16(depth: depth, into: panel) { row($0) }
      pack16(depth: depth, into: panel + 16) { row($0 &+ 16) }
      return
    }
    for column in 0..<Panel.rows {
      if column < rows {
        let source = row(column)
        for k in 0..<depth { panel[k &* Panel.rows &+ column] = source[k] }
      } else {
        for k in 0..<depth { panel[k &* Panel.rows &+ column] = 0 }
      }
    }
  }

  @inline(__always)
  private static func pack16(
    depth: Int, into panel: UnsafeMutablePointer<Float>, row: (Int) -> UnsafePointer<Float>
  ) {
    var k = 0
    while k &+ 16 <= depth {
      var square = square { loadVector(row($0) + k) }
      transpose(&square)
      for index in 0..<16 {
        storeVector(square[unchecked: index], at: panel + (k &+ index) &* Panel.rows)
      }
      k &+= 16
    }
    while k < depth {
      for index in 0..<16 { panel[k &* Panel.rows &+ index] = row(index)[k] }
      k &+= 1
    }
  }

  /// Sixteen vectors. Written out, since a loop that fills an array keeps it in memory.
  @inline(__always)
  static func square(_ row: (Int) -> SIMD16<Float>) -> InlineArray<16, SIMD16<Float>> {
    [
      row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7), row(8), row(9), row(10),
      row(11), row(12), row(13), row(14), row(15),
    ]
  }

  /// Exchanges rows and columns of 16 x 16 floats: four rounds that interleave row i with row
  /// i + 8.
  @inline(__always)
  static func transpose(_ square: inout InlineArray<16, SIMD16<Float>>) {
    interleave(&square)
    interleave(&square)
    interleave(&square)
    interleave(&square)
  }

  @inline(__always)
  private static func interleave(_ square: inout InlineArray<16, SIMD16<Float>>) {
    let old = square
    for index in 0..<8 {
      let first = old[unchecked: index]
      let second = old[unchecked: index &+ 8]
      var low = SIMD16<Float>.zero
      low.evenHalf = first.lowHalf
      low.oddHalf = second.lowHalf
      var high = SIMD16<Float>.zero
      high.evenHalf = first.highHalf
      high.oddHalf = second.highHalf
      square[unchecked: 2 &* index] = low
      square[unchecked: 2 &* index &+ 1] = high
    }
  }
}
