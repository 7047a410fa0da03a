/// The number format of a cold tier.
public enum ColdFormat: String, Sendable, Hashable, CaseIterable, Codable {
  case q4, q8

  public var bits: Int {
    switch self {
    case .q4: 4
    case .q8: 8
    }
  }

  /// The largest code.
  public var levels: Int { 1 << bits - 1 }
}

/// Quantised tokens of one KV head: whole pages of 32 tokens, ascending by token position.
///
/// In a page each channel of the keys, and each of the values, has its smallest number and a step,
/// both half floats: number = minimum + step · code. The range of a key channel thus bounds a
/// query's logits in the page, as Quest's page bounds do, at no further cost. A token takes
/// 2·d·bits/8 bytes of codes, 2·d/4 bytes of ranges, and 4 of its position: 84 with 4 bits and 148
/// with 8 at d 64, where float32 rows take 512 and float16 rows 256.
///
/// Bytes of a page: d key minima, d key steps, d times the codes of 32 tokens; the same of the
/// values. With 4 bits the 16 bytes of a channel hold tokens 0…15 in their lower and 16…31 in their
/// upper halves.
public struct ColdTier: Sendable {
  public static let pageTokens = 32

  public let format: ColdFormat
  public let headDimension: Int
  /// The attention scale of the layer: the logit of a query q and a key k is `scale · q·k`.
  public let scale: Double
  /// Token positions, page after page, ascending.
  public private(set) var positions: [Int32] = []
  /// The bytes of all pages, in order.
  public private(set) var bytes: [UInt8] = []

  public init(_ format: ColdFormat, headDimension: Int, scale: Double) {
    self.format = format
    self.headDimension = headDimension
    self.scale = scale
  }

  public var pageCount: Int { positions.count / Self.pageTokens }
  /// Tokens held.
  public var count: Int { positions.count }

  /// Bytes of codes, ranges and positions: all that is allocated.
  public var allocatedBytes: Int { bytes.count + positions.count * MemoryLayout<Int32>.size }

  /// Bytes of a page, positions apart.
  public static func pageBytes(_ format: ColdFormat, headDimension: Int) -> Int {
    2 * headDimension * (2 * 2 + codeBytes(format))
  }

  /// Bytes of the codes of one channel in one page.
  public static func codeBytes(_ format: ColdFormat) -> Int { pageTokens * format.bits / 8 }

  /// Bytes of a page with the positions of its tokens.
  public static func wholePageBytes(_ format: ColdFormat, headDimension: Int) -> Int {
    pageBytes(format, headDimension: headDimension) + pageTokens * MemoryLayout<Int32>.size
  }

  public var pageBytes: Int { Self.pageBytes(format, headDimension: headDimension) }

  /// Where a page's bytes begin in `bytes`.
  public func firstByte(ofPage page: Int) -> Int { page * pageBytes }

  /// Adds whole pages; traps unless they follow those held. Allocates exactly what it holds.
  public mutating func append(pages: [UInt8], positions added: [Int32]) {
    precondition(
      added.count % Self.pageTokens == 0
        && pages.count == added.count / Self.pageTokens * pageBytes
        && (added.first ?? .max) > (positions.last ?? -1),
      """
      ColdTier.append: \(pages.count) bytes for \(added.count) tokens from \(added.first ?? -1) \
      on, after \(positions.last ?? -1)
      """)
    bytes = Self.exactly(bytes, pages)
    positions = Self.exactly(positions, added)
  }

  private static func exactly<Element>(_ first: [Element], _ second: [Element]) -> [Element] {
    guard !first.isEmpty else { return second }
    var joined: [Element] = []
    joined.reserveCapacity(first.count + second.count)
    joined += first
    joined += second
    return joined
  }
}
