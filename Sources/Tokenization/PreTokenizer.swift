/// How a text is split into words, within which bytes merge; named as in GGUF's
/// `tokenizer.ggml.pre`.
public enum PreTokenizer: String, Sendable, Hashable, CaseIterable {
  /// Every `\p{N}` is a word; the stretches between are split as by `gpt2`.
  case smollm
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2 = "gpt-2"

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

  /// Calls `body` with the byte range of each word of `range`, in order; the words cover the range.
  func forEachWord(in text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    switch self {
    case .gpt2: Self.forEachGPT2Word(in: text, range, body)
    case .smollm:
      var stretch = range.lowerBound
      var offset = range.lowerBound
      while offset < range.upperBound {
        let (scalarClass, length) = text.scalarClass(at: offset)
        if scalarClass == .number {
          Self.forEachGPT2Word(in: text, stretch..<offset, body)
          body(offset..<offset + length)
          stretch = offset + length
        }
        offset += length
      }
      Self.forEachGPT2Word(in: text, stretch..<range.upperBound, body)
    }
  }

  private static func forEachGPT2Word(
    in text: ScalarText, _ range: Range<Int>, _ body: (Range<Int>) -> Void
  ) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end =
        endOfContraction(in: text, start..<range.upperBound)
        ?? endOfRun(in: text, start..<range.upperBound)
        ?? endOfSpaces(in: text, start..<range.upperBound)
      body(start..<end)
      start = end
    }
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`
  private static func endOfContraction(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    let start = rest.lowerBound
    guard text.bytes[start] == UInt8(ascii: "'"), rest.count >= 2 else { return nil }
    let first = text.bytes[start + 1]
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
      let second = first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")
      return rest.count >= 3 && text.bytes[start + 2] == second ? start + 3 : nil
    default: return nil
    }
  }

  /// ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
  private static func endOfRun(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    var offset = rest.lowerBound
    if text.bytes[offset] == UInt8(ascii: " ") { offset += 1 }
    guard offset < rest.upperBound else { return nil }
    let (kind, length) = text.scalarClass(at: offset)
    guard kind != .space else { return nil }
    offset += length
    while offset < rest.upperBound {
      let next = text.scalarClass(at: offset)
      guard next.scalarClass == kind else { break }
      offset += next.length
    }
    return offset
  }

  /// `\s+(?!\S)|\s+`: all white space, except its last scalar if something follows and others
  /// remain.
  private static func endOfSpaces(in text: ScalarText, _ rest: Range<Int>) -> Int {
    var offset = rest.lowerBound
    var last = offset
    while offset < rest.upperBound {
      let next = text.scalarClass(at: offset)
      guard next.scalarClass == .space else {
        return last > rest.lowerBound ? last : offset
      }
      last = offset
      offset += next.length
    }
    return offset
  }
}
