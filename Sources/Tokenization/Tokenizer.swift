/// Byte-level byte-pair encoding: text to token ids and back.
///
/// A text is split at the special tokens in it; the stretches between are split into words by the
/// vocabulary's ``PreTokenizer``, and the bytes of each word are merged by rank (Sennrich et al.
/// 2016, arXiv 1508.07909; bytes as in GPT-2). Nothing is normalised, trimmed or added, except a
/// BOS token where the vocabulary asks for one.
public struct Tokenizer: Sendable {
  public let vocabulary: Vocabulary
  /// The tokens that end an answer: EOS, and control tokens with a usual name for it.
  public let endTokens: Set<Int32>
  /// Bytes without a token, usually rare control characters; ``encode(_:addsBOS:)`` drops them.
  public var bytesWithoutToken: [UInt8] {
    (UInt8.min...UInt8.max).filter { merges.byteTokens[Int($0)] < 0 }
  }

  private let merges: MergeTable
  private let specials: SpecialTokens
  /// The bytes of all tokens, concatenated; those of token i begin at `pieceStarts[i]`.
  private let pieces: [UInt8]
  private let pieceStarts: [Int]

  /// - Throws: `damaged` for duplicate tokens, merges of unknown tokens, and missing byte tokens.
  public init(_ vocabulary: Vocabulary) throws(TokenizationError) {
    self.vocabulary = vocabulary
    merges = try MergeTable(vocabulary)
    specials = SpecialTokens(vocabulary)
    var pieces: [UInt8] = []
    var starts = [0]
    var ends: Set<Int32> = []
    for (id, token) in vocabulary.tokens.enumerated() {
      let type = vocabulary.tokenTypes[id]
      if type.isSpecial && Self.endNames.contains(token) { ends.insert(Int32(id)) }
      let spelled = type.isSpecial ? nil : ByteAlphabet.bytes(spelledBy: token)
      pieces += spelled ?? Array(token.utf8)
      starts.append(pieces.count)
    }
    if let eos = vocabulary.eosToken { ends.insert(eos) }
    self.pieces = pieces
    pieceStarts = starts
    endTokens = ends
  }

  private static let endNames: Set<String> = [
    "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>", "</s>",
  ]

  /// The ids of a text. 1 MB of prose takes about 0.1 s.
  ///
  /// - Parameter addsBOS: whether to put the BOS token first; by default as the vocabulary says.
  public func encode(_ text: String, addsBOS: Bool? = nil) -> [Int32] {
    var ids: [Int32] = []
    if let bos = vocabulary.bosToken, addsBOS ?? vocabulary.addsBOS { ids.append(bos) }
    let text = ScalarText(bytes: Array(text.utf8))
    var words = WordEncoder(text: text, merges: merges)
    var start = 0
    while start < text.bytes.count {
      let special = specials.first(in: text.bytes, from: start)
      let end = special?.range.lowerBound ?? text.bytes.count
      vocabulary.preTokenizer.forEachWord(in: text, start..<end) { word in
        words.append(word, to: &ids)
      }
      guard let special else { break }
      ids.append(special.id)
      start = special.range.upperBound
    }
    return ids
  }

  /// The text of ids; invalid UTF-8, and ids outside the vocabulary, become U+FFFD.
  ///
  /// Special tokens come out as they are written.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    for id in ids { bytes += self.bytes(of: id) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes that a token adds to a text: a token may hold a part of a character. U+FFFD for an
  /// id outside the vocabulary.
  public func bytes(of id: Int32) -> ArraySlice<UInt8> {
    guard vocabulary.tokens.indices.contains(Int(id)) else { return [0xEF, 0xBF, 0xBD] }
    return pieces[pieceStarts[Int(id)]..<pieceStarts[Int(id) + 1]]
  }
}

/// Encodes the words of one text, each distinct word once.
private struct WordEncoder {
  /// Longer words rarely repeat.
  private static let longestKept = 48

  private let text: ScalarText
  private var merger: BytePairMerger
  private var known: [ArraySlice<UInt8>: Range<Int>] = [:]
  /// The ids of the known words, concatenated.
  private var knownIDs: [Int32] = []

  init(text: ScalarText, merges: MergeTable) {
    self.text = text
    merger = BytePairMerger(merges)
  }

  mutating func append(_ word: Range<Int>, to ids: inout [Int32]) {
    let bytes = text.bytes[word]
    if let range = known[bytes] {
      ids += knownIDs[range]
      return
    }
    let first = ids.count
    merger.append(bytes, to: &ids)
    guard word.count <= Self.longestKept else { return }
    let start = knownIDs.count
    knownIDs += ids[first...]
    known[bytes] = start..<knownIDs.count
  }
}
