import Kernels

/// One entry of the tensor table.
///
/// In a file that was opened, everything is checked against the file. In one that was only surveyed,
/// the bytes may lie beyond its end.
public struct GGUFTensor: Sendable, Hashable {
  public let name: String
  /// Sizes in the file's order: the first is that of adjacent elements, a row's length.
  /// One to four, none of them 0.
  public let dimensions: [Int]
  public let type: GGUFTensorType
  /// Where its bytes begin, from the beginning of the file.
  public let offset: Int
  /// 0 where it cannot be known: see the file's problems.
  public let byteCount: Int

  /// How its numbers are stored; never nil in a file that was opened.
  public var format: BlockFormat? { type.format }
  /// The length of a row: input features.
  public var columns: Int { dimensions[0] }
  /// The number of rows: output features (times all further dimensions). Counts up to Int.max.
  public var rows: Int { Self.product(dimensions.dropFirst()) }
  /// Counts up to Int.max.
  public var elementCount: Int { Self.product(dimensions[...]) }

  private static func product(_ sizes: ArraySlice<Int>) -> Int {
    sizes.reduce(1) { product, size in
      let (larger, overflow) = product.multipliedReportingOverflow(by: size)
      return overflow ? .max : larger
    }
  }
}
