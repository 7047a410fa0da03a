import Tensors

/// Quantised or float weights (rows x columns) in bytes owned elsewhere.
///
/// Row-major, each row whole blocks, rows without gaps. Row r holds the weights of output feature
/// r: a layer maps inputs (tokens x columns) to outputs (tokens x rows). Only the number of bytes
/// is checked; every bit pattern is a number, at worst infinite or NaN.
public struct WeightMatrix: Sendable {
  public let rows: Int
  public let columns: Int
  public let format: BlockFormat
  public let storage: any ByteStorage
  /// Where the first row begins in `storage`, in bytes.
  public let offset: Int

  /// Traps unless the columns are whole blocks and all rows lie inside the storage.
  public init(
    rows: Int, columns: Int, format: BlockFormat, storage: any ByteStorage, offset: Int = 0
  ) {
    let byteCount = format.byteCount(rows: rows, columns: columns)
    let available = storage.bytes.byteCount
    precondition(
      offset >= 0 && offset <= available && byteCount != nil
        && byteCount ?? .max <= available - offset,
      "WeightMatrix: \(rows) x \(columns) as \(format.rawValue) at byte \(offset) of \(available)")
    self.rows = rows
    self.columns = columns
    self.format = format
    self.storage = storage
    self.offset = offset
  }

  /// Float weights as they are.
  public init(_ matrix: Matrix) {
    self.init(
      rows: matrix.rows, columns: matrix.columns, format: .f32,
      storage: ArrayStorage(floats: matrix.elements))
  }

  /// Bytes from one row to the next.
  public var bytesPerRow: Int { columns / format.elementsPerBlock * format.bytesPerBlock }

  /// Bytes of all rows.
  public var byteCount: Int { rows * bytesPerRow }

  /// Some rows as floats (range.count x columns), each the stored number exactly, or rounded once
  /// where the format adds a minimum. Traps unless the range lies inside the rows.
  public func dequantizedRows(_ range: Range<Int>) -> Matrix {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows,
      "WeightMatrix.dequantizedRows: rows \(range) of \(rows)")
    let count = range.count * columns
    let elements = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      if let target = buffer.baseAddress, count > 0 {
        withRow(range.lowerBound) { dequantize(format, $0, elements: count, into: target) }
      }
      initialized = count
    }
    return Matrix(rows: range.count, columns: columns, elements: elements)
  }

  /// Calls `body` with the address of a row; the rows after it follow without a gap. The address is
  /// good during the call only.
  @inline(__always)
  func withRow<Result>(_ row: Int, _ body: (UnsafeRawPointer) -> Result) -> Result {
    storage.bytes.withUnsafeBytes { bytes in
      // Never nil: an empty storage has no rows to ask for, and the initialiser checked all others.
      body(bytes.baseAddress! + (offset + row * bytesPerRow))
    }
  }
}
