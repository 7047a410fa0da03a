/// How a text is split into words, within which bytes merge; named as in GGUF's
/// `tokenizer.ggml.pre`.
public enum PreTokenizer: String, Sendable, Hashable, CaseIterable {
  /// Every `\p{N}` is a word; the stretches between are split as by `gpt2`.
  case smollm
  case gpt2 = "gpt-2"
  case llama = "llama-bpe"
  case qwen2
  case deepSeekQwen = "deepseek-r1-qwen"

  /// - Throws: `unsupported`, with the names that are known.
  public init(named name: String) throws(TokenizationError) {
    guard let known = Self(rawValue: name) else {
      let names = Self.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw TokenizationError(
        .unsupported,
        "the pre-tokenizer \(quoted(name)) (tokenizer.ggml.pre) is not known; known are \(names)")
    }
    self = known
  }

  /// True where a word that is a token is taken whole, whatever its merges would make of it.
  var takesWholeWords: Bool { self == .llama }

  /// True where the text is brought into normalization form C before it is split.
  var isNormalizing: Bool { self == .qwen2 || self == .deepSeekQwen }

  /// Whether a file that does not say so wants a BOS token before every text.
  var addsBOSByDefault: Bool { self == .llama }

  /// True where every number is a word before the pattern is looked for.
  private var isolatesNumbers: Bool { self == .smollm }

  /// What a word may be, in the order of the published pattern: the first alternative that matches
  /// is taken.
  private var pattern: [WordAlternative] {
    switch self {
    case .smollm, .gpt2: Self.gpt2Pattern
    case .llama: Self.wordPattern(digits: 3)
    case .qwen2, .deepSeekQwen: Self.wordPattern(digits: 1)
    }
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  private static let gpt2Pattern: [WordAlternative] = [
    .contraction(inAnyCase: false), .run, .spaces,
  ]

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|`
  /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  private static func wordPattern(digits: Int) -> [WordAlternative] {
    [
      .contraction(inAnyCase: true), .letters, .numbers(atMost: digits), .signs, .lineEnds, .spaces,
    ]
  }

  /// Calls `body` with the byte range of each word of `range`, in order; the words cover the range.
  func forEachWord(in text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    let pattern = pattern
    guard isolatesNumbers else {
      return Self.forEachMatch(of: pattern, in: text, range, body)
    }
    var stretch = range.lowerBound
    var offset = range.lowerBound
    while offset < range.upperBound {
      let (scalarClass, length) = text.scalarClass(at: offset)
      if scalarClass == .number {
        Self.forEachMatch(of: pattern, in: text, stretch..<offset, body)
        body(offset..<offset + length)
        stretch = offset + length
      }
      offset += length
    }
    Self.forEachMatch(of: pattern, in: text, stretch..<range.upperBound, body)
  }

  private static func forEachMatch(
    of pattern: [WordAlternative], in text: ScalarText, _ range: Range<Int>,
    _ body: (Range<Int>) -> Void
  ) {
    var start = range.lowerBound
    while start < range.upperBound {
      var end: Int?
      for alternative in pattern {
        end = alternative.end(in: text, start..<range.upperBound)
        if end != nil { break }
      }
      guard let end else {
        preconditionFailure("PreTokenizer: nothing matches at byte \(start)")
      }
      body(start..<end)
      start = end
    }
  }
}
