/// Tokens that are matched literally in a text, such as `<|im_end|>`.
///
/// Kept in order of their bytes: the tokens that begin like the text are a range, which gets
/// narrower with every byte, so that thousands of them cost little more than one.
struct SpecialTokens: Sendable {
  struct Token: Sendable {
    var id: Int32
    var bytes: [UInt8]
  }

  /// Ascending, and no two alike.
  private let tokens: [Token]
  /// Those that begin with each byte.
  private let ranges: [Range<Int>]

  /// - Parameter tokens: none of them empty; of several alike the first counts.
  init(_ tokens: [Token]) {
    var seen: Set<[UInt8]> = []
    let tokens = tokens.filter { seen.insert($0.bytes).inserted }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    self.tokens = tokens
    ranges = (UInt8.min...UInt8.max).map { byte in
      Self.range(of: byte, at: 0, in: tokens, tokens.indices)
    }
  }

  /// Calls `stretch` with each stretch of a text between special tokens, none of them empty, and
  /// `special` with each special token, in order.
  func split(
    _ text: [UInt8], stretch: (ArraySlice<UInt8>) -> Void, special: (Int32) -> Void
  ) {
    var start = 0
    while start < text.count {
      let found = first(in: text, from: start)
      let end = found?.range.lowerBound ?? text.count
      if start < end { stretch(text[start..<end]) }
      if let found { special(found.id) }
      start = found?.range.upperBound ?? end
    }
  }

  /// The first special token in a text at or after `offset`; the longest, if several begin there.
  func first(in text: [UInt8], from offset: Int) -> (range: Range<Int>, id: Int32)? {
    for start in offset..<text.count where !ranges[Int(text[start])].isEmpty {
      if let token = longest(in: text, at: start) {
        return (start..<start + token.bytes.count, token.id)
      }
    }
    return nil
  }

  private func longest(in text: [UInt8], at start: Int) -> Token? {
    var range = ranges[Int(text[start])]
    var depth = 1
    var longest: Token?
    while let first = range.first {
      // Of the tokens with these bytes, the one that has no others comes first.
      if tokens[first].bytes.count == depth {
        longest = tokens[first]
        range.removeFirst()
      }
      guard start + depth < text.count else { break }
      range = Self.range(of: text[start + depth], at: depth, in: tokens, range)
      depth += 1
    }
    return longest
  }

  /// The part of a range, whose tokens are alike before `place`, that has a byte there.
  private static func range(
    of byte: UInt8, at place: Int, in tokens: [Token], _ range: Range<Int>
  ) -> Range<Int> {
    let lower = partition(range) { tokens[$0].bytes[place] >= byte }
    return lower..<partition(lower..<range.upperBound) { tokens[$0].bytes[place] > byte }
  }

  /// The first index from which on `isAfter` holds.
  private static func partition(_ range: Range<Int>, where isAfter: (Int) -> Bool) -> Int {
    var (low, high) = (range.lowerBound, range.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if isAfter(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
