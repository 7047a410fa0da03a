/// The merges of byte-pair encoding by pair, with their ranks, and the token of each single byte.
struct MergeTable: Sendable {
  struct Merge: Sendable {
    /// Lower ranks merge first.
    var rank: Int32
    var merged: Int32
  }

  private let merges: [UInt64: Merge]
  /// The token of each byte; -1 where the vocabulary has none.
  let byteTokens: [Int32]

  /// - Throws: `damaged` for a merge that names an unknown token, makes one, or comes twice, and
  ///   for a vocabulary without a token for a byte that ordinary text has.
  init(_ vocabulary: Vocabulary) throws(TokenizationError) {
    let ids = try Self.ids(of: vocabulary)
    byteTokens = ByteAlphabet.scalars.map { ids[Array(String($0).utf8)] ?? -1 }
    for byte in UInt8.min...UInt8.max where byteTokens[Int(byte)] < 0 && Self.isNeeded(byte) {
      throw TokenizationError(
        .damaged,
        """
        the vocabulary has no token \(quoted(String(ByteAlphabet.scalars[Int(byte)]))) for the \
        byte "\(byte)"
        """)
    }
    var merges: [UInt64: Merge] = [:]
    merges.reserveCapacity(vocabulary.merges.count)
    for (rank, text) in vocabulary.merges.enumerated() {
      let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw TokenizationError(
          .damaged, "merge \(rank) is \(quoted(text)); allowed are two tokens with a space between")
      }
      guard let left = ids[Array(parts[0])], let right = ids[Array(parts[1])],
        let merged = ids[parts[0] + Array(parts[1])]
      else {
        throw TokenizationError(
          .damaged,
          """
          merge \(rank), \(quoted(text)): both parts and the two together must be tokens of the \
          vocabulary
          """)
      }
      let merge = Merge(rank: Int32(clamping: rank), merged: merged)
      guard merges.updateValue(merge, forKey: Self.key(left, right)) == nil else {
        throw TokenizationError(.damaged, "merge \(rank), \(quoted(text)), comes twice")
      }
    }
    self.merges = merges
  }

  /// What the two make together; nil if they don't merge.
  func merge(_ left: Int32, _ right: Int32) -> Merge? { merges[Self.key(left, right)] }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Tokens by their UTF-8 bytes: a `String` key would take canonically equivalent tokens for one.
  private static func ids(
    of vocabulary: Vocabulary
  ) throws(TokenizationError) -> [[UInt8]: Int32] {
    var ids: [[UInt8]: Int32] = [:]
    ids.reserveCapacity(vocabulary.tokens.count)
    for (id, token) in vocabulary.tokens.enumerated() {
      guard !token.isEmpty else {
        throw TokenizationError(.damaged, "token \(id) is empty")
      }
      if let first = ids.updateValue(Int32(id), forKey: Array(token.utf8)) {
        throw TokenizationError(
          .damaged, "tokens \(first) and \(id) of the vocabulary are the same: \(quoted(token))")
      }
    }
    return ids
  }

  /// True for bytes without which plain text cannot be written: line feed, printable ASCII, and the
  /// continuation bytes of UTF-8. Real vocabularies lack others, which their training text did not
  /// have: SmolLM2's has no token for six control characters and the lead bytes 0xF1 and 0xF2.
  private static func isNeeded(_ byte: UInt8) -> Bool {
    byte == 0x0A || (0x20...0x7E).contains(byte) || (0x80...0xBF).contains(byte)
  }
}
