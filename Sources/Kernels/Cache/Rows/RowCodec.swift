import Tensors

/// How a row of numbers lies in memory: one type a format.
///
/// Kernels are generic over it, and specialised for each format by its conformance; memory of a
/// format known at run time calls them through ``RowMemory``.
protocol RowCodec {
  static var format: RowFormat { get }
  /// Whether rows are rotated, so that what is multiplied with them has to be.
  static var isRotated: Bool { get }

  /// Sixteen numbers of the row, from 16 · `index` on.
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float>
  /// One number of a row whose width is no multiple of 16.
  static func number(_ row: UnsafeRawPointer, _ index: Int) -> Float
  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer)

  // With implementations for all: requirements, so that each format has its own.

  /// Writes rows of numbers that are `stride` floats apart.
  static func encode(
    _ numbers: UnsafePointer<Float>, rows: Int, stride: Int, width: Int,
    into memory: UnsafeMutableRawPointer)
  /// Rows as floats: where they lie if that is the format, else decoded into `scratch`.
  ///
  /// - Parameter turningBack: whether a rotation is undone.
  static func floats(
    _ rows: Int, of memory: UnsafeRawPointer, width: Int,
    decodedInto scratch: UnsafeMutablePointer<Float>, turningBack: Bool
  ) -> UnsafePointer<Float>
  static func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, rows: Int,
    of memory: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>)
  static func addWeighted(
    _ sums: WeightedSums, rows: Int, of memory: UnsafeRawPointer, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)
}

extension RowCodec {
  static var isRotated: Bool { false }

  static func number(_ row: UnsafeRawPointer, _ index: Int) -> Float {
    vector(row, index / 16)[index % 16]
  }

  /// Bytes from one row to the next.
  static func rowBytes(width: Int) -> Int { format.rowBytes(width: width) }

  static func encode(
    _ numbers: UnsafePointer<Float>, rows: Int, stride: Int, width: Int,
    into memory: UnsafeMutableRawPointer
  ) {
    let rowBytes = rowBytes(width: width)
    for index in 0..<rows {
      encode(numbers + index * stride, width: width, into: memory + index * rowBytes)
    }
  }

  static func floats(
    _ rows: Int, of memory: UnsafeRawPointer, width: Int,
    decodedInto scratch: UnsafeMutablePointer<Float>, turningBack: Bool
  ) -> UnsafePointer<Float> {
    let rowBytes = rowBytes(width: width)
    for index in 0..<rows {
      decode(memory + index &* rowBytes, width: width, scratch + index &* width)
    }
    if isRotated && turningBack { Hadamard(width: width).turn(rows: rows, stride: width, scratch) }
    return UnsafePointer(scratch)
  }

  /// The numbers as they lie in the row.
  @inline(__always)
  private static func decode(
    _ row: UnsafeRawPointer, width: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    var i = 0
    while i &+ 16 <= width {
      storeVector(vector(row, i / 16), at: target + i)
      i &+= 16
    }
    while i < width {
      target[i] = number(row, i)
      i &+= 1
    }
  }

  static func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, rows: Int,
    of memory: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>
  ) { products.multiply(Self.self, vectors: vectors, vector, rows: rows, memory, into: target) }

  static func addWeighted(
    _ sums: WeightedSums, rows: Int, of memory: UnsafeRawPointer, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    sums.add(Self.self, rows: rows, of: memory, weights, into: target, scratch: scratch)
  }
}

enum CachedRows {
  /// How many rows ahead of the one that is read others are asked for.
  static let ahead = 24
}

/// Rows of a format that is known at run time, in memory.
struct RowMemory {
  /// Nil where there are no rows.
  let base: UnsafeRawPointer?
  let codec: any RowCodec.Type
  let width: Int
  let rowBytes: Int
  /// What was taken off each row of keys, turned as they are; nil for nothing.
  let centre: UnsafePointer<Float>?

  /// Rows that are decoded at once: as floats they stay in the L1 cache until they are used.
  static let pieceRows = 32

  init(
    base: UnsafeRawPointer?, codec: any RowCodec.Type, width: Int,
    centre: UnsafePointer<Float>? = nil
  ) {
    self.base = base
    self.codec = codec
    self.width = width
    self.centre = centre
    rowBytes = codec.format.rowBytes(width: width)
  }

  @inline(__always)
  private func row(_ index: Int) -> UnsafeRawPointer { base! + index &* rowBytes }

  func floats(
    _ rows: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let first = row(rows.lowerBound)
    guard let centre else {
      return codec.floats(
        rows.count, of: first, width: width, decodedInto: scratch, turningBack: true)
    }
    _ = codec.floats(
      rows.count, of: first, width: width, decodedInto: scratch, turningBack: false)
    for index in 0..<rows.count {
      for i in 0..<width { scratch[index * width + i] += centre[i] }
    }
    Hadamard(width: width).turn(rows: rows.count, stride: width, scratch)
    return UnsafePointer(scratch)
  }

  func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, rows: Range<Int>,
    into target: UnsafeMutablePointer<Float>
  ) {
    guard !rows.isEmpty else { return }
    codec.multiply(
      products, vectors: vectors, vector, rows: rows.count, of: row(rows.lowerBound), into: target)
    guard let centre else { return }
    for index in 0..<vectors {
      let shift =
        products.scale * laneProducts(vector + index * width, centre, count: width).sum()
      let line = target + index * products.targetStride
      for slot in 0..<rows.count { line[slot] += shift }
    }
  }

  func addWeighted(
    _ sums: WeightedSums, rows: Range<Int>, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    guard !rows.isEmpty else { return }
    codec.addWeighted(
      sums, rows: rows.count, of: row(rows.lowerBound), weights, into: target, scratch: scratch)
  }
}
