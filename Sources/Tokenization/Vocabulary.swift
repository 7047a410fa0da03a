/// A model's tokens and merges, checked: what a GGUF file says under `tokenizer.ggml`.
public struct Vocabulary: Sendable, Hashable {
  /// What a token is for (GGUF's numbers).
  public enum TokenType: Int, Sendable, Hashable, CaseIterable {
    case normal = 1
    case unknown, control, userDefined, unused, byte

    /// True for tokens that are matched literally, before the text is split.
    var isSpecial: Bool { self == .control || self == .userDefined || self == .unknown }
  }

  /// By id; in a byte-level vocabulary normal tokens are spelled in the 256 scalars of GPT-2's byte
  /// alphabet.
  public let tokens: [String]
  /// By id.
  public let tokenTypes: [TokenType]
  /// Two tokens with a space between, in order of rank.
  public let merges: [String]
  public let preTokenizer: PreTokenizer
  public let bosToken: Int32?
  public let eosToken: Int32?
  /// True where the model expects its BOS token before every text.
  public let addsBOS: Bool

  /// Checks everything that can be checked without merging.
  ///
  /// - Parameter tokenTypes: as many as tokens, values 1...6.
  /// - Throws: `unsupported` for an unknown pre-tokenizer; `damaged` for duplicate or empty tokens,
  ///   types of another number or value, and ids out of range.
  public init(
    tokens: [String], tokenTypes: [Int], merges: [String], preTokenizer: String, bosToken: Int?,
    eosToken: Int?, addsBOS: Bool
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
    self.preTokenizer = try PreTokenizer(named: preTokenizer)
    self.tokens = tokens
    self.tokenTypes = try Self.types(tokenTypes)
    self.merges = merges
    self.bosToken = try Self.id(bosToken, of: "BOS", below: tokens.count)
    self.eosToken = try Self.id(eosToken, of: "EOS", below: tokens.count)
    self.addsBOS = addsBOS
    if addsBOS && bosToken == nil {
      throw TokenizationError(
        .damaged, "the vocabulary asks for a BOS token before every text and names none")
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
