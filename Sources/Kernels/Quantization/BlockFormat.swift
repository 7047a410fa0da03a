// swift-format-ignore: AlwaysUseLowerCamelCase
/// How weights are stored: floats, or blocks of small integers with a scale.
///
/// The layouts are ggml's; the raw values are its names in lower case, `k` formats with a capital
/// K, as in file names. A row of a matrix is always a whole number of blocks. The contents of a
/// block are documented at its decoder, in a file beside this one.
public enum BlockFormat: String, Sendable, Hashable, CaseIterable {
  case f32
  case f16
  case bf16
  case q8_0
  case q4_0
  case q4_1
  case q5_0
  case q5_1
  case q2_K
  case q3_K
  case q4_K
  case q5_K
  case q6_K
  case iq4_nl
  case iq4_xs

  /// Numbers that one block holds: 1, 32 or 256.
  public var elementsPerBlock: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .iq4_nl: 32
    case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_xs: 256
    }
  }

  /// Bytes that one block takes.
  public var bytesPerBlock: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8_0: 34
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q2_K: 84
    case .q3_K: 110
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    case .iq4_nl: 18
    case .iq4_xs: 136
    }
  }

  /// Bytes of a matrix, or nil if a size is negative, a row is not whole blocks, or the product
  /// exceeds Int.
  public func byteCount(rows: Int, columns: Int) -> Int? {
    guard rows >= 0, columns >= 0, columns % elementsPerBlock == 0 else { return nil }
    let (rowBytes, overflow) =
      (columns / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
    let (bytes, overflowToo) = rowBytes.multipliedReportingOverflow(by: rows)
    return overflow || overflowToo ? nil : bytes
  }
}
