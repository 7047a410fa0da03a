/// SentencePiece's byte-pair encoding (Kudo and Richardson 2018, arXiv 1808.06226): neighbours
/// whose texts together are a token merge, the token of the highest score first.
///
/// Spaces are spelled `▁`, and a `▁` of the text is a space. A character that no token holds
/// becomes its bytes, where the vocabulary has tokens for them, else the unknown token, one for all
/// such characters in a row. An unused token takes part in merging, and falls apart into the two
/// that it was merged from; where it is a single character, no token holds that.
struct SentencePieceModel: WordModel {
  /// A stretch of a word, and the token that it is; nil if it is none.
  struct Symbol: Sendable {
    var range: Range<Int>
    var id: Int32?
  }

  private let index: TokenIndex
  /// By id: the rank at which a token is made, lower for a higher score; nil if by no merge.
  private let ranks: [UInt32?]
  /// The token of each byte; nil unless there is one for each.
  private let byteTokens: [Int32]?
  private let unknownToken: Int32?
  private let unusedTokens: Set<Int32>
  private let addsSpacePrefix: Bool
  /// The scalars that stand before a `▁` in some token. After any other scalar a `▁` begins a word:
  /// no merge reaches across.
  private let joining: Set<Unicode.Scalar>

  /// - Throws: `damaged` for duplicate tokens, byte tokens that name none, and a vocabulary that
  ///   cannot write every text.
  init(
    tokens: [String], types: [Vocabulary.TokenType], scores: [Float], unknownToken: Int32?,
    addsSpacePrefix: Bool
  ) throws(TokenizationError) {
    index = try TokenIndex(tokens)
    byteTokens = try Self.byteTokens(tokens, types)
    self.unknownToken = unknownToken
    unusedTokens = Set(types.indices.filter { types[$0] == .unused }.map { Int32($0) })
    self.addsSpacePrefix = addsSpacePrefix
    guard let space = index[String(Self.space)], types[Int(space)] == .normal else {
      throw TokenizationError(.damaged, "the vocabulary has no token \"\(Self.space)\" for a space")
    }
    guard byteTokens != nil || unknownToken != nil else {
      throw TokenizationError(
        .damaged,
        """
        the vocabulary has neither the 256 byte tokens "<0x00>" to "<0xFF>" nor an unknown token \
        (tokenizer.ggml.unknown_token_id), so that it cannot write every text
        """)
    }
    var ranks: [UInt32?] = []
    var joining: Set<Unicode.Scalar> = []
    ranks.reserveCapacity(tokens.count)
    for (id, token) in tokens.enumerated() {
      guard types[id].isMade else {
        ranks.append(nil)
        continue
      }
      ranks.append(Self.rank(of: scores[id]))
      for (scalar, next) in zip(token.unicodeScalars, token.unicodeScalars.dropFirst())
      where next == Self.space {
        joining.insert(scalar)
      }
    }
    self.ranks = ranks
    self.joining = joining
  }

  /// Ascending where scores descend; 0 and -0 are one score.
  private static func rank(of score: Float) -> UInt32 {
    let bits = (score + 0).bitPattern
    return score < 0 ? bits : ~(bits | 0x8000_0000)
  }

  // MARK: Spelling

  static let space: Unicode.Scalar = "\u{2581}"
  private static let spaceBytes = Array("\u{2581}".utf8)

  func prepared(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    return bytes.contains(Self.spaceBytes[0]) ? Self.withSpaces(text) : bytes
  }

  func spelled(_ stretch: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(stretch.count + stretch.count / 2)
    if addsSpacePrefix { result += Self.spaceBytes }
    for byte in stretch {
      if byte == UInt8(ascii: " ") { result += Self.spaceBytes } else { result.append(byte) }
    }
    return result
  }

  func bytes(of token: String, _ type: Vocabulary.TokenType) -> [UInt8] {
    if type == .byte, let byte = Self.byte(namedBy: token) { return [byte] }
    return Self.withSpaces(token)
  }

  /// A text with spaces for every `▁`.
  private static func withSpaces(_ text: String) -> [UInt8] {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == space ? " " : scalar) }
    return Array(String(result).utf8)
  }

  func writable(_ stretch: String) -> String {
    guard byteTokens == nil else { return stretch }
    var result = String.UnicodeScalarView()
    for scalar in stretch.unicodeScalars
    where token(Array(String(scalar == " " ? Self.space : scalar).utf8)[...]) != nil {
      result.append(scalar)
    }
    return String(result)
  }

  // MARK: Bytes

  private static func byteTokens(
    _ tokens: [String], _ types: [Vocabulary.TokenType]
  ) throws(TokenizationError) -> [Int32]? {
    var ids = [Int32?](repeating: nil, count: 256)
    for (id, type) in types.enumerated() where type == .byte {
      guard let byte = byte(namedBy: tokens[id]) else {
        throw TokenizationError(
          .damaged,
          """
          token \(id), \(quoted(tokens[id])), is of the type for bytes (6); allowed are "<0x00>" \
          to "<0xFF>"
          """)
      }
      ids[Int(byte)] = Int32(id)
    }
    let found = ids.compactMap(\.self)
    return found.count == ids.count ? found : nil
  }

  /// The byte of `<0xNN>`.
  private static func byte(namedBy token: String) -> UInt8? {
    let text = Array(token.utf8)
    guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">"),
      text[3] != UInt8(ascii: "+"), text[3] != UInt8(ascii: "-")
    else { return nil }
    return UInt8(String(decoding: text[3...4], as: UTF8.self), radix: 16)
  }

  // MARK: Words

  func forEachWord(in text: ScalarText, _ body: (Range<Int>) -> Void) {
    var start = 0
    var offset = 0
    var previous: Unicode.Scalar?
    while offset < text.bytes.count {
      let (scalar, length) = text.scalar(at: offset)
      if scalar == Self.space, let previous, !joining.contains(previous) {
        body(start..<offset)
        start = offset
      }
      previous = scalar
      offset += length
    }
    if start < offset { body(start..<offset) }
  }

  func append(
    _ word: ArraySlice<UInt8>, to ids: inout [Int32], with merger: inout SymbolMerger<Symbol>
  ) {
    var symbols: [Symbol] = []
    var start = word.startIndex
    while start < word.endIndex {
      let end = word[(start + 1)...].firstIndex { $0 & 0xC0 != 0x80 } ?? word.endIndex
      symbols.append(Symbol(range: start..<end, id: token(word[start..<end])))
      start = end
    }
    // The bytes of each unused token's left part: as many wherever its text is two symbols, since
    // what merged in it did so in the same order.
    var leftCounts: [Int32: Int] = [:]
    merger.merge(&symbols) { left, right in
      let range = left.range.lowerBound..<right.range.upperBound
      guard let id = token(word[range]), let rank = ranks[Int(id)] else { return nil }
      if unusedTokens.contains(id) { leftCounts[id] = left.range.count }
      return Merge(rank: rank, merged: Symbol(range: range, id: id))
    }
    if !unusedTokens.isEmpty { symbols = withoutUnused(symbols, of: word, leftCounts) }
    var isAfterUnknown = false
    for symbol in symbols {
      isAfterUnknown = append(symbol, of: word, to: &ids, isAfterUnknown: isAfterUnknown)
    }
  }

  /// The symbols, those of unused tokens taken apart until none is left.
  private func withoutUnused(
    _ symbols: [Symbol], of word: ArraySlice<UInt8>, _ leftCounts: [Int32: Int]
  ) -> [Symbol] {
    var result: [Symbol] = []
    var rest = Array(symbols.reversed())
    while let symbol = rest.popLast() {
      guard let id = symbol.id, unusedTokens.contains(id) else {
        result.append(symbol)
        continue
      }
      guard let leftCount = leftCounts[id] else {
        result.append(Symbol(range: symbol.range, id: nil))
        continue
      }
      let middle = symbol.range.lowerBound + leftCount
      for part in [middle..<symbol.range.upperBound, symbol.range.lowerBound..<middle] {
        rest.append(Symbol(range: part, id: token(word[part])))
      }
    }
    return result
  }

  /// Appends what a symbol became; true if that is the unknown token.
  private func append(
    _ symbol: Symbol, of word: ArraySlice<UInt8>, to ids: inout [Int32], isAfterUnknown: Bool
  ) -> Bool {
    if let id = symbol.id {
      ids.append(id)
    } else if let byteTokens {
      for byte in word[symbol.range] { ids.append(byteTokens[Int(byte)]) }
    } else if let unknownToken {
      if !isAfterUnknown { ids.append(unknownToken) }
      return true
    }
    return false
  }

  /// The token that a text is, if it is one that merges make.
  private func token(_ text: ArraySlice<UInt8>) -> Int32? {
    index[text].flatMap { ranks[Int($0)] == nil ? nil : $0 }
  }
}

extension Vocabulary.TokenType {
  /// True for tokens that merges make; the others are matched literally or stand for a byte.
  fileprivate var isMade: Bool { self == .normal || self == .unused }
}
