/// One alternative of a pattern that splits text into words.
///
/// Matched by hand on scalars: Swift's `Regex` has other classes and works on grapheme clusters.
enum WordAlternative: Sendable {
  /// `'s|'t|'re|'ve|'m|'ll|'d`, or the same under `(?i:…)`.
  case contraction(inAnyCase: Bool)
  /// ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
  case run
  /// `[^\r\n\p{L}\p{N}]?\p{L}+`
  case letters
  /// `\p{N}{1,n}`
  case numbers(atMost: Int)
  /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  case signs
  /// `\s*[\r\n]+`
  case lineEnds
  /// `\s+(?!\S)|\s+`
  case spaces

  /// Where a match that begins at the lower bound of `rest` ends, greedy; nil if none does. `rest`
  /// is not empty.
  func end(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    switch self {
    case .contraction(let inAnyCase): Self.endOfContraction(in: text, rest, inAnyCase)
    case .run: Self.endOfRun(in: text, rest)
    case .letters: Self.endOfLetters(in: text, rest)
    case .numbers(let most): text.endOfRun(of: .number, rest, atMost: most)
    case .signs: Self.endOfSigns(in: text, rest)
    case .lineEnds: Self.endOfLineEnds(in: text, rest)
    case .spaces: Self.endOfSpaces(in: text, rest)
    }
  }

  private static func endOfContraction(
    in text: ScalarText, _ rest: Range<Int>, _ inAnyCase: Bool
  ) -> Int? {
    guard text.bytes[rest.lowerBound] == UInt8(ascii: "'") else { return nil }
    let letters = text.bytes[rest.dropFirst().prefix(2)].map { byte in
      inAnyCase && (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
    let start = rest.lowerBound
    switch letters.first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return letters.last == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"): return letters.count == 2 && letters[1] == letters[0] ? start + 3 : nil
    // The long s is an s in another case.
    case 0xC5 where inAnyCase && letters.last == 0xBF: return start + 3
    default: return nil
    }
  }

  private static func endOfRun(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    var start = rest.lowerBound
    if text.bytes[start] == UInt8(ascii: " ") { start += 1 }
    guard start < rest.upperBound else { return nil }
    let kind = text.scalarClass(at: start).scalarClass
    return kind == .space ? nil : text.endOfRun(of: kind, start..<rest.upperBound)
  }

  private static func endOfLetters(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    let (kind, length) = text.scalarClass(at: rest.lowerBound)
    let start: Int
    switch kind {
    case .letter: start = rest.lowerBound
    case .number: return nil
    case .space, .other:
      if text.isLineEnd(at: rest.lowerBound) { return nil }
      start = rest.lowerBound + length
    }
    return text.endOfRun(of: .letter, start..<rest.upperBound)
  }

  private static func endOfSigns(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    let start = rest.lowerBound + (text.bytes[rest.lowerBound] == UInt8(ascii: " ") ? 1 : 0)
    guard var end = text.endOfRun(of: .other, start..<rest.upperBound) else { return nil }
    while end < rest.upperBound, text.isLineEnd(at: end) { end += 1 }
    return end
  }

  /// White space up to its last line end.
  private static func endOfLineEnds(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    guard let end = text.endOfRun(of: .space, rest) else { return nil }
    return (rest.lowerBound..<end).last(where: text.isLineEnd).map { $0 + 1 }
  }

  /// All white space, except its last scalar if something follows and others remain.
  private static func endOfSpaces(in text: ScalarText, _ rest: Range<Int>) -> Int? {
    guard let end = text.endOfRun(of: .space, rest) else { return nil }
    guard end < rest.upperBound else { return end }
    // Continuation bytes belong to the last scalar.
    let last = (rest.lowerBound..<end).last { text.bytes[$0] & 0xC0 != 0x80 } ?? rest.lowerBound
    return last > rest.lowerBound ? last : end
  }
}
