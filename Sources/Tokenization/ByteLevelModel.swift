/// Byte-level byte-pair encoding: words by a ``PreTokenizer``, whose bytes merge by rank (Sennrich
/// et al. 2016, arXiv 1508.07909; bytes as in GPT-2).
struct ByteLevelModel: WordModel {
  private let preTokenizer: PreTokenizer
  private let index: TokenIndex
  let merges: MergeTable

  /// Throws as ``TokenIndex`` and ``MergeTable`` do.
  init(
    tokens: [String], merges: [String], preTokenizer: PreTokenizer
  ) throws(TokenizationError) {
    self.preTokenizer = preTokenizer
    index = try TokenIndex(tokens)
    self.merges = try MergeTable(merges, of: index)
  }

  func prepared(_ text: String) -> [UInt8] { Array(text.utf8) }

  func spelled(_ stretch: ArraySlice<UInt8>) -> [UInt8] {
    // What lies below U+0300, whose lead byte is 0xCC, is composed already.
    guard preTokenizer.isNormalizing, stretch.contains(where: { $0 >= 0xCC }) else {
      return Array(stretch)
    }
    return Array(normalized(String(decoding: stretch, as: UTF8.self)).utf8)
  }

  private func normalized(_ text: String) -> String {
    preTokenizer.isNormalizing ? text.composed : text
  }

  func forEachWord(in text: ScalarText, _ body: (Range<Int>) -> Void) {
    preTokenizer.forEachWord(in: text, 0..<text.bytes.count, body)
  }

  /// A byte without a token is dropped, so that its neighbours become adjacent, as in the
  /// tokenizers library.
  func append(
    _ word: ArraySlice<UInt8>, to ids: inout [Int32], with merger: inout SymbolMerger<Int32>
  ) {
    if preTokenizer.takesWholeWords, let id = index[ByteAlphabet.spelling(of: word)] {
      ids.append(id)
      return
    }
    var symbols: [Int32] = []
    for byte in word where merges.byteTokens[Int(byte)] >= 0 {
      symbols.append(merges.byteTokens[Int(byte)])
    }
    merger.merge(&symbols) { merges.merge($0, $1) }
    ids += symbols
  }

  func bytes(of token: String, _ type: Vocabulary.TokenType) -> [UInt8] {
    let spelled = type.isSpecial ? nil : ByteAlphabet.bytes(spelledBy: token)
    return spelled ?? Array(token.utf8)
  }

  func writable(_ stretch: String) -> String {
    let text = normalized(stretch)
    let missing = Set((UInt8.min...UInt8.max).filter { merges.byteTokens[Int($0)] < 0 })
    guard text.utf8.contains(where: missing.contains) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars
    where UTF8.encode(scalar)?.contains(where: missing.contains) != true {
      result.append(scalar)
    }
    return String(result)
  }
}
