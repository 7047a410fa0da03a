/// A model's tokens and what makes text of them, checked: what a GGUF file says under
/// `tokenizer.ggml`.
public struct Vocabulary: Sendable, Hashable {
  /// What a token is for (GGUF's numbers).
  public enum TokenType: Int, Sendable, Hashable, CaseIterable {
    case normal = 1
    case unknown, control, userDefined, unused, byte

    /// True for tokens that are matched literally, before the text is split.
    var isSpecial: Bool { self == .control || self == .userDefined || self == .unknown }
  }

  /// How tokens are spelled, and which neighbours merge.
  public enum Kind: Sendable, Hashable {
    /// Byte-level byte-pair encoding: normal tokens are spelled in the 256 scalars of GPT-2's byte
    /// alphabet; merges are two tokens with a space between, in order of rank.
    case byteLevel(PreTokenizer, merges: [String])
    /// SentencePiece's byte-pair encoding: spaces are spelled `▁`; the highest score merges first.
    ///
    /// - Parameters:
    ///   - scores: by id, none of them NaN.
    ///   - addsSpacePrefix: whether every stretch of text, at the beginning and after a special
    ///     token, gets a space before it.
    case sentencePiece(scores: [Float], addsSpacePrefix: Bool)

    /// Whether a file that does not say so wants a BOS token before every text; as in llama.cpp.
    var addsBOSByDefault: Bool {
      switch self {
      case .byteLevel(let preTokenizer, _): preTokenizer.addsBOSByDefault
      case .sentencePiece: true
      }
    }
  }

  public let kind: Kind
  /// By id.
  public let tokens: [String]
  /// By id.
  public let tokenTypes: [TokenType]
  public let bosToken: Int32?
  public let eosToken: Int32?
  /// What stands for text that no token is made for.
  public let unknownToken: Int32?
  /// True where the model expects its BOS token before every text.
  public let addsBOS: Bool

  /// Checks everything that can be checked without merging.
  ///
  /// - Parameters:
  ///   - tokenTypes: as many as tokens, values 1...6.
  ///   - addsBOS: nil for what the kind does by default.
  /// - Throws: `damaged` for types or scores of another number or value, and for ids out of range.
  public init(
    _ kind: Kind, tokens: [String], tokenTypes: [Int], bosToken: Int?, eosToken: Int?,
    unknownToken: Int? = nil, addsBOS: Bool? = nil
  ) throws(TokenizationError) {
    guard !tokens.isEmpty, tokens.count <= Int(Int32.max) else {
      throw TokenizationError(
        .damaged, "the vocabulary has \"\(tokens.count)\" tokens; allowed are 1 to \(Int32.max)")
    }
    guard tokenTypes.count == tokens.count else {
      throw TokenizationError(
        .damaged,
        "the vocabulary has \"\(tokenTypes.count)\" token types for \(tokens.count) tokens")
    }
    if case .sentencePiece(let scores, _) = kind { try Self.check(scores, for: tokens.count) }
    self.kind = kind
    self.tokens = tokens
    self.tokenTypes = try Self.types(tokenTypes)
    self.bosToken = try Self.id(bosToken, of: "BOS", below: tokens.count)
    self.eosToken = try Self.id(eosToken, of: "EOS", below: tokens.count)
    self.unknownToken = try Self.id(unknownToken, of: "unknown", below: tokens.count)
    self.addsBOS = addsBOS ?? kind.addsBOSByDefault
    if self.addsBOS && bosToken == nil {
      throw TokenizationError(
        .damaged, "the vocabulary asks for a BOS token before every text and names none")
    }
  }

  private static func check(_ scores: [Float], for count: Int) throws(TokenizationError) {
    guard scores.count == count else {
      throw TokenizationError(
        .damaged, "the vocabulary has \"\(scores.count)\" scores for \(count) tokens")
    }
    if let id = scores.firstIndex(where: \.isNaN) {
      throw TokenizationError(
        .damaged, "token \(id) has the score \"nan\"; allowed are numbers, which have an order")
    }
  }

  private static func types(_ numbers: [Int]) throws(TokenizationError) -> [TokenType] {
    var types: [TokenType] = []
    types.reserveCapacity(numbers.count)
    for (id, number) in numbers.enumerated() {
      guard let type = TokenType(rawValue: number) else {
        throw TokenizationError(
          .damaged, "token \(id) has the type \"\(number)\"; allowed are 1 to 6")
      }
      types.append(type)
    }
    return types
  }

  private static func id(
    _ id: Int?, of role: String, below count: Int
  ) throws(TokenizationError) -> Int32? {
    guard let id else { return nil }
    guard (0..<count).contains(id) else {
      throw TokenizationError(
        .damaged, "the \(role) token has the id \"\(id)\"; allowed are 0 to \(count - 1)")
    }
    return Int32(id)
  }
}
