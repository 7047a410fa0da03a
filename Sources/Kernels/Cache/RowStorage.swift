import Tensors

/// The keys or the values of a KV head in memory, in the cache's format: rows, some of them unused.
struct RowStorage {
  let format: CacheFormat
  /// Numbers of a row.
  let width: Int
  /// Of these the one of the format has elements.
  private var floats: [Float] = []
  private var halves: [Float16] = []

  init(_ format: CacheFormat, width: Int) {
    self.format = format
    self.width = width
  }

  /// Rows as floats: shared where that is the format, else decoded.
  func rows(_ range: Range<Int>, scale: Double) -> Rows {
    if format == .f32 {
      return Rows(
        elements: floats, firstElement: range.lowerBound * width, count: range.count, width: width,
        scale: scale)
    }
    let count = range.count * width
    let decoded = [Float](unsafeUninitializedCapacity: count) { target, initialized in
      if let target = target.baseAddress {
        withMemory { _ = $0.floats(range, decodedInto: target) }
      }
      initialized = count
    }
    return Rows(elements: decoded, firstElement: 0, count: range.count, width: width, scale: scale)
  }

  /// Calls `body` with the rows' memory, valid until it returns.
  func withMemory<Result>(_ body: (RowMemory) -> Result) -> Result {
    func open(_ buffer: UnsafeRawBufferPointer) -> Result {
      body(RowMemory(base: buffer.baseAddress, format: format, width: width))
    }
    return switch format {
    case .f32: floats.withUnsafeBytes(open)
    case .f16: halves.withUnsafeBytes(open)
    }
  }

  /// Replaces rows from `row` on by the columns of `source` from `column` on.
  mutating func write(_ source: Matrix, column: Int, at row: Int) {
    let columns = source.columns
    source.elements.withUnsafeBufferPointer { source in
      func each(_ body: (_ source: UnsafePointer<Float>, _ offset: Int) -> Void) {
        for index in 0..<source.count / columns {
          body(source.baseAddress! + (index * columns + column), (row + index) * width)
        }
      }
      switch format {
      case .f32:
        floats.withUnsafeMutableBufferPointer { target in
          each { (target.baseAddress! + $1).update(from: $0, count: width) }
        }
      case .f16:
        halves.withUnsafeMutableBufferPointer { target in
          each { HalfFloats.narrow($0, count: width, into: target.baseAddress! + $1) }
        }
      }
    }
  }

  /// Moves rows within the memory; they may overlap.
  mutating func move(_ rows: Range<Int>, to row: Int) {
    let (from, to, count) = (rows.lowerBound * width, row * width, rows.count * width)
    switch format {
    case .f32: floats.moveElements(from: from, to: to, count: count)
    case .f16: halves.moveElements(from: from, to: to, count: count)
    }
  }

  /// Memory for `capacity` rows that begins with the rows of `kept`.
  mutating func reallocate(keeping kept: [Range<Int>], capacity: Int) {
    let ranges = kept.map { $0.lowerBound * width..<$0.upperBound * width }
    switch format {
    case .f32: floats = floats.moved(ranges, capacity: capacity * width, filler: 0)
    case .f16: halves = halves.moved(ranges, capacity: capacity * width, filler: 0)
    }
  }

  mutating func removeAll() { self = RowStorage(format, width: width) }
}

extension Array {
  /// Copies within the array, in the order that is safe for overlapping ranges.
  mutating func moveElements(from: Int, to: Int, count: Int) {
    if to < from {
      for i in 0..<count { self[to + i] = self[from + i] }
    } else {
      for i in stride(from: count - 1, through: 0, by: -1) { self[to + i] = self[from + i] }
    }
  }

  /// The elements of some ranges, then `filler` up to `capacity` elements.
  func moved(_ ranges: [Range<Int>], capacity: Int, filler: Element) -> [Element] {
    var fresh: [Element] = []
    fresh.reserveCapacity(capacity)
    for range in ranges { fresh.append(contentsOf: self[range]) }
    fresh.append(contentsOf: repeatElement(filler, count: capacity - fresh.count))
    return fresh
  }
}

/// Rows of a cache as kernels read them.
struct RowMemory {
  /// Nil where there are no rows.
  let base: UnsafeRawPointer?
  let format: CacheFormat
  let width: Int

  /// Rows that are decoded at once: as floats they stay in the L1 cache until they are used.
  static let pieceRows = 32

  /// From a later row on.
  func from(row: Int) -> RowMemory {
    RowMemory(
      base: base.map { $0 + row * format.rowBytes(width: width) }, format: format, width: width)
  }

  /// The numbers from a row on; the type is the format's.
  @inline(__always)
  func numbers<Number>(_ type: Number.Type, from row: Int) -> UnsafePointer<Number> {
    base!.assumingMemoryBound(to: type) + row &* width
  }

  /// The rows as floats: where they lie if that is the format, else decoded into `scratch`.
  @inline(__always)
  func floats(
    _ rows: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    switch format {
    case .f32: return numbers(Float.self, from: rows.lowerBound)
    case .f16:
      HalfFloats.widen(
        numbers(Float16.self, from: rows.lowerBound), count: rows.count &* width, into: scratch)
      return UnsafePointer(scratch)
    }
  }

  @inline(__always)
  func row(
    _ index: Int, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> { floats(index..<index &+ 1, decodedInto: scratch) }

  /// Calls `body` with rows after rows as floats: all at once if that is the format, else in pieces
  /// of ``pieceRows``.
  ///
  /// - Parameter scratch: for `pieceRows` rows.
  @inline(__always)
  func forEachPiece(
    of rows: Range<Int>, scratch: UnsafeMutablePointer<Float>,
    _ body: (_ rows: Range<Int>, UnsafePointer<Float>) -> Void
  ) {
    if format == .f32 { return body(rows, floats(rows, decodedInto: scratch)) }
    var first = rows.lowerBound
    while first < rows.upperBound {
      let piece = first..<min(first &+ Self.pieceRows, rows.upperBound)
      body(piece, floats(piece, decodedInto: scratch))
      first = piece.upperBound
    }
  }
}
