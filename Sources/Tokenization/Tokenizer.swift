/// Text to token ids and back.
///
/// A text is split at the special tokens in it; the stretches between are encoded as the
/// vocabulary's kind says (``ByteLevelModel``, ``SentencePieceModel``). Nothing is trimmed or
/// added, except a space where a SentencePiece vocabulary asks for one, and a BOS token where the
/// vocabulary asks for one; Qwen's vocabularies bring text into normalization form C.
public struct Tokenizer: Sendable {
  public let vocabulary: Vocabulary
  /// The tokens that end an answer: EOS, and control tokens with a usual name for it.
  public let endTokens: Set<Int32>

  private let model: any WordModel
  private let specials: SpecialTokens
  private let addsSpacePrefix: Bool
  /// The bytes of all tokens, concatenated; those of token i begin at `pieceStarts[i]`.
  private let pieces: [UInt8]
  private let pieceStarts: [Int]

  /// - Throws: `damaged` for duplicate and empty tokens, merges of unknown tokens, and missing or
  ///   wrong byte tokens.
  public init(_ vocabulary: Vocabulary) throws(TokenizationError) {
    self.vocabulary = vocabulary
    model = try Self.model(of: vocabulary)
    if case .sentencePiece(_, addsSpacePrefix: true) = vocabulary.kind {
      addsSpacePrefix = true
    } else {
      addsSpacePrefix = false
    }
    // A `▁` of a token is a space of a text, where two tokens may then be alike. llama.cpp looks
    // for them as they are written: spaces of a text are the token that has spaces.
    var written: [SpecialTokens.Token] = []
    var respelled: [SpecialTokens.Token] = []
    var pieces: [UInt8] = []
    var starts = [0]
    var ends: Set<Int32> = []
    for (id, token) in vocabulary.tokens.enumerated() {
      let type = vocabulary.tokenTypes[id]
      pieces += model.bytes(of: token, type)
      if type.isSpecial {
        // Gemma has a user-defined `</s>`, a tag of HTML.
        if type == .control, Self.endNames.contains(token) { ends.insert(Int32(id)) }
        let special = SpecialTokens.Token(id: Int32(id), bytes: Array(pieces[starts[id]...]))
        if special.bytes.elementsEqual(token.utf8) {
          written.append(special)
        } else {
          respelled.append(special)
        }
      }
      starts.append(pieces.count)
    }
    if let eos = vocabulary.eosToken { ends.insert(eos) }
    specials = SpecialTokens(written + respelled)
    self.pieces = pieces
    pieceStarts = starts
    endTokens = ends
  }

  private static func model(
    of vocabulary: Vocabulary
  ) throws(TokenizationError) -> any WordModel {
    switch vocabulary.kind {
    case .byteLevel(let preTokenizer, let merges):
      try ByteLevelModel(tokens: vocabulary.tokens, merges: merges, preTokenizer: preTokenizer)
    case .sentencePiece(let scores, let addsSpacePrefix):
      try SentencePieceModel(
        tokens: vocabulary.tokens, types: vocabulary.tokenTypes, scores: scores,
        unknownToken: vocabulary.unknownToken, addsSpacePrefix: addsSpacePrefix)
    }
  }

  private static let endNames: Set<String> = [
    "<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>",
    "<end_of_turn>", "</s>", "<\u{FF5C}end\u{2581}of\u{2581}sentence\u{FF5C}>",
  ]

  // MARK: Encoding

  /// What stands before every text of this model: the BOS token, or nothing.
  public var textStart: [Int32] {
    vocabulary.addsBOS ? [vocabulary.bosToken].compactMap(\.self) : []
  }

  /// The ids of a text. 1 MB of English prose takes 0.06 to 0.2 s.
  ///
  /// - Parameter addsBOS: whether to put the BOS token first; by default as the vocabulary says.
  public func encode(_ text: String, addsBOS: Bool? = nil) -> [Int32] {
    var ids: [Int32] = []
    if let bos = vocabulary.bosToken, addsBOS ?? vocabulary.addsBOS { ids.append(bos) }
    model.append(text, to: &ids, specials: specials)
    return ids
  }

  /// The text as its ids give it back: without characters that the vocabulary cannot write, in
  /// normalization form C where the tokenizer brings it into that, and with a space for every `▁`
  /// where that spells a space.
  public func writable(_ text: String) -> String {
    var result: [UInt8] = []
    specials.split(model.prepared(text)) { stretch in
      result += model.writable(String(decoding: stretch, as: UTF8.self)).utf8
    } special: { id in
      result += bytes(of: id)
    }
    return String(decoding: result, as: UTF8.self)
  }

  // MARK: Decoding

  /// The text of ids; invalid UTF-8, and ids outside the vocabulary, become U+FFFD.
  ///
  /// Special tokens come out as they are written. `decode(encode(text))` is ``writable(_:)`` of the
  /// text, after the BOS token where one was added, unless the unknown token stands for a part of it.
  ///
  /// - Parameter continuing: true where the ids go on with a text, as a model's answer does: a
  ///   space at their beginning is its own.
  public func decode(_ ids: [Int32], continuing: Bool = false) -> String {
    let pieces = continuing ? ids.map(bytes) : pieces(of: ids)
    return String(decoding: pieces.joined(), as: UTF8.self)
  }

  /// What each id adds to ``decode(_:)`` of them all: the bytes of the token, without the space
  /// that encoding puts before a text and after a special token.
  public func pieces(of ids: [Int32]) -> [ArraySlice<UInt8>] {
    var beginsStretch = true
    return ids.map { id in
      let piece = bytes(of: id)
      defer { beginsStretch = isSpecial(id) }
      let isAdded = addsSpacePrefix && beginsStretch && !isSpecial(id)
      return isAdded && piece.first == UInt8(ascii: " ") ? piece.dropFirst() : piece
    }
  }

  /// The bytes that a token adds to a text that goes on: a token may hold a part of a character.
  /// U+FFFD for an id outside the vocabulary.
  public func bytes(of id: Int32) -> ArraySlice<UInt8> {
    guard vocabulary.tokens.indices.contains(Int(id)) else { return [0xEF, 0xBF, 0xBD] }
    return pieces[pieceStarts[Int(id)]..<pieceStarts[Int(id) + 1]]
  }

  private func isSpecial(_ id: Int32) -> Bool {
    vocabulary.tokenTypes.indices.contains(Int(id)) && vocabulary.tokenTypes[Int(id)].isSpecial
  }
}
