/// A kind of tokenizer: how a text falls into words, and a word into tokens.
///
/// What it is given are stretches of a text between special tokens. Words are encoded
/// independently of each other, so the same word always has the same tokens.
protocol WordModel: Sendable {
  /// What merges inside a word.
  associatedtype Symbol: Sendable

  /// A text as special tokens are looked for in it.
  func prepared(_ text: String) -> [UInt8]

  /// The text of a stretch in the spelling of the vocabulary, in which words are looked for.
  ///
  /// - Parameter stretch: well-formed UTF-8, not empty.
  func spelled(_ stretch: ArraySlice<UInt8>) -> [UInt8]

  /// Calls `body` with the byte range of each word of a spelled text, in order; the words cover it.
  func forEachWord(in text: ScalarText, _ body: (Range<Int>) -> Void)

  /// Appends the tokens of a word of a spelled text.
  func append(
    _ word: ArraySlice<UInt8>, to ids: inout [Int32], with merger: inout SymbolMerger<Symbol>)

  /// The bytes that a token adds to a text.
  func bytes(of token: String, _ type: Vocabulary.TokenType) -> [UInt8]

  /// A stretch as its tokens give it back: without what the vocabulary cannot write.
  func writable(_ stretch: String) -> String
}

extension WordModel {
  /// Appends the tokens of a text, special tokens written in it included.
  func append(_ text: String, to ids: inout [Int32], specials: SpecialTokens) {
    var encoder = WordEncoder(model: self)
    specials.split(prepared(text)) { stretch in
      let spelled = ScalarText(bytes: spelled(stretch))
      forEachWord(in: spelled) { encoder.append(spelled.bytes[$0], to: &ids) }
    } special: { id in
      ids.append(id)
    }
  }
}

/// Encodes the words of one text, each distinct word once.
private struct WordEncoder<Model: WordModel> {
  /// Longer words rarely repeat.
  private static var longestKept: Int { 48 }

  private let model: Model
  private var merger = SymbolMerger<Model.Symbol>()
  private var known: [ArraySlice<UInt8>: Range<Int>] = [:]
  /// The ids of the known words, concatenated.
  private var knownIDs: [Int32] = []

  init(model: Model) { self.model = model }

  mutating func append(_ word: ArraySlice<UInt8>, to ids: inout [Int32]) {
    if let range = known[word] {
      ids += knownIDs[range]
      return
    }
    let first = ids.count
    model.append(word, to: &ids, with: &merger)
    guard word.count <= Self.longestKept else { return }
    let start = knownIDs.count
    knownIDs += ids[first...]
    known[word] = start..<knownIDs.count
  }
}
