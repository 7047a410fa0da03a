/// The innermost product of every larger product: C (rows x width) = or += A (rows x depth) · B
/// (depth x width), where width is 32 or 16: one *strip* of columns.
///
/// A, B and C are row-major with any distance between their rows, and lie in the caches: the caller
/// splits larger matrices. Rows are taken in register tiles of the CPU's size, the rest in smaller
/// ones.
struct StripProduct {
  let depth: Int
  let strideA: Int
  let strideB: Int
  let strideC: Int
  /// True: adds to what C holds. False: overwrites it.
  let adds: Bool

  /// Columns of a full strip.
  static let width = 32

  /// Rows of the largest register tile. Groups of that many rows run at full speed.
  static var tileRows: Int { VectorRegisters.areWide ? 12 : 6 }

  /// A strip of 32 columns.
  func multiply32(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    if VectorRegisters.areWide {
      tiles32(rows: rows, a, b, c)
    } else {
      narrowTiles(rows: rows, a, b, c)
      narrowTiles(rows: rows, a, b + 16, c + 16)
    }
  }

  /// A strip of 16 columns.
  func multiply16(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    if VectorRegisters.areWide {
      tiles16(rows: rows, a, b, c)
    } else {
      narrowTiles(rows: rows, a, b, c)
    }
  }

  /// All columns of a product that is `width` wide, a multiple of 16.
  func multiply(
    rows: Int, width: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    var column = 0
    while column &+ 32 <= width {
      multiply32(rows: rows, a, b + column, c + column)
      column &+= 32
    }
    if column < width { multiply16(rows: rows, a, b + column, c + column) }
  }

  // MARK: Splitting the rows

  @inline(never)
  private func tiles32(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    var row = 0
    while row &+ 12 <= rows { row = tile(RegisterTile<12, 2>(), 12, at: row, a, b, c) }
    if row &+ 8 <= rows { row = tile(RegisterTile<8, 2>(), 8, at: row, a, b, c) }
    if row &+ 4 <= rows { row = tile(RegisterTile<4, 2>(), 4, at: row, a, b, c) }
    if row &+ 2 <= rows { row = tile(RegisterTile<2, 2>(), 2, at: row, a, b, c) }
    if row < rows { row = tile(RegisterTile<1, 2>(), 1, at: row, a, b, c) }
  }

  @inline(never)
  private func tiles16(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    var row = 0
    while row &+ 12 <= rows { row = tile(RegisterTile<12, 1>(), 12, at: row, a, b, c) }
    if row &+ 8 <= rows { row = tile(RegisterTile<8, 1>(), 8, at: row, a, b, c) }
    if row &+ 4 <= rows { row = tile(RegisterTile<4, 1>(), 4, at: row, a, b, c) }
    if row &+ 2 <= rows { row = tile(RegisterTile<2, 1>(), 2, at: row, a, b, c) }
    if row < rows { row = tile(RegisterTile<1, 1>(), 1, at: row, a, b, c) }
  }

  /// For 16 registers of 8 floats (AVX2) or 32 of 4 (NEON).
  @inline(never)
  func narrowTiles(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    var row = 0
    while row &+ 6 <= rows { row = tile(RegisterTile<6, 1>(), 6, at: row, a, b, c) }
    if row &+ 4 <= rows { row = tile(RegisterTile<4, 1>(), 4, at: row, a, b, c) }
    if row &+ 2 <= rows { row = tile(RegisterTile<2, 1>(), 2, at: row, a, b, c) }
    if row < rows { row = tile(RegisterTile<1, 1>(), 1, at: row, a, b, c) }
  }

  // MARK: Few rows

  /// A product of few rows that is `width` wide, a multiple of 16: B comes from memory, so each of
  /// its rows is read once, as wide as registers allow.
  func multiplyFew(
    rows: Int, width: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    guard VectorRegisters.areWide else { return multiply(rows: rows, width: width, a, b, c) }
    var column = 0
    while column &+ 64 <= width {
      fewTiles64(rows: rows, a, b + column, c + column)
      column &+= 64
    }
    multiply(rows: rows, width: width &- column, a, b + column, c + column)
  }

  @inline(never)
  private func fewTiles64(
    rows: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>
  ) {
    var row = 0
    while row &+ 4 <= rows { row = tile(RegisterTile<4, 4>(), 4, at: row, a, b, c) }
    switch rows &- row {
    case 3: row = tile(RegisterTile<3, 4>(), 3, at: row, a, b, c)
    case 2: row = tile(RegisterTile<2, 4>(), 2, at: row, a, b, c)
    case 1: row = tile(RegisterTile<1, 4>(), 1, at: row, a, b, c)
    default: break
    }
  }

  /// One register tile from row `row` on; returns the row after it.
  @inline(__always)
  private func tile<let rows: Int, let vectors: Int>(
    _ zero: RegisterTile<rows, vectors>, _ count: Int, at row: Int, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>
  ) -> Int {
    var tile = zero
    tile.addProduct(a + row &* strideA, strideA: strideA, b, strideB: strideB, depth: depth)
    let target = c + row &* strideC
    if adds { tile.load(target, stride: strideC) }
    tile.store(at: target, stride: strideC)
    return row &+ count
  }
}
