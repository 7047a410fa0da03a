/// Tokens that are matched literally in a text, such as `<|im_end|>`.
struct SpecialTokens: Sendable {
  struct Token: Sendable {
    var id: Int32
    var bytes: [UInt8]
  }

  /// By first byte; longest first.
  private let tokens: [[Token]]

  init(_ vocabulary: Vocabulary) {
    var tokens = [[Token]](repeating: [], count: 256)
    for (id, type) in vocabulary.tokenTypes.enumerated() where type.isSpecial {
      let bytes = Array(vocabulary.tokens[id].utf8)
      if let first = bytes.first {
        tokens[Int(first)].append(Token(id: Int32(id), bytes: bytes))
      }
    }
    self.tokens = tokens.map { $0.sorted { $0.bytes.count > $1.bytes.count } }
  }

  /// The first special token in a text at or after `offset`; the longest, if several begin there.
  func first(in text: [UInt8], from offset: Int) -> (range: Range<Int>, id: Int32)? {
    for start in offset..<text.count where !tokens[Int(text[start])].isEmpty {
      for token in tokens[Int(text[start])] where text[start...].starts(with: token.bytes) {
        return (start..<start + token.bytes.count, token.id)
      }
    }
    return nil
  }
}
