/// The merges of byte-pair encoding by pair, with their ranks, and the token of each single byte.
struct MergeTable: Sendable {
  private let merges: [UInt64: Merge<Int32>]
  /// The token of each byte; -1 where the vocabulary has none.
  let byteTokens: [Int32]

  /// - Throws: `damaged` for a merge that names an unknown token, makes one, or comes twice, and
  ///   for a vocabulary without a token for a byte that ordinary text has.
  init(_ texts: [String], of index: TokenIndex) throws(TokenizationError) {
    byteTokens = ByteAlphabet.scalars.map { index[String($0)] ?? -1 }
    for byte in UInt8.min...UInt8.max where byteTokens[Int(byte)] < 0 && Self.isNeeded(byte) {
      throw TokenizationError(
        .damaged,
        """
        the vocabulary has no token \(quoted(String(ByteAlphabet.scalars[Int(byte)]))) for the \
        byte "\(byte)"
        """)
    }
    var merges: [UInt64: Merge<Int32>] = [:]
    merges.reserveCapacity(texts.count)
    for (rank, text) in texts.enumerated() {
      let bytes = Array(text.utf8)
      guard let space = bytes.firstIndex(of: Self.space),
        bytes.lastIndex(of: Self.space) == space
      else {
        throw TokenizationError(
          .damaged, "merge \(rank) is \(quoted(text)); allowed are two tokens with a space between")
      }
      guard let left = index[bytes[..<space]], let right = index[bytes[(space + 1)...]],
        let merged = index[bytes.filter { $0 != Self.space }[...]]
      else {
        throw TokenizationError(
          .damaged,
          """
          merge \(rank), \(quoted(text)): both parts and the two together must be tokens of the \
          vocabulary
          """)
      }
      let merge = Merge(rank: UInt32(clamping: rank), merged: merged)
      guard merges.updateValue(merge, forKey: Self.key(left, right)) == nil else {
        throw TokenizationError(.damaged, "merge \(rank), \(quoted(text)), comes twice")
      }
    }
    self.merges = merges
  }

  /// What the two make together; nil if they don't merge.
  func merge(_ left: Int32, _ right: Int32) -> Merge<Int32>? { merges[Self.key(left, right)] }

  private static let space = UInt8(ascii: " ")

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// True for bytes without which plain text cannot be written: line feed, printable ASCII, and the
  /// continuation bytes of UTF-8. Real vocabularies lack others, which their training text did not
  /// have: SmolLM2's has no token for six control characters and the lead bytes 0xF1 and 0xF2.
  private static func isNeeded(_ byte: UInt8) -> Bool {
    byte == 0x0A || (0x20...0x7E).contains(byte) || (0x80...0xBF).contains(byte)
  }
}
