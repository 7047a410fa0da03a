import Records

/// What RULER draws: numbers, identifiers, names and samples without repetition.
extension SeededGenerator {
  /// `count` different numbers below `bound`, in the order drawn; traps unless there are as many.
  mutating func distinct(_ count: Int, below bound: Int) -> [Int] {
    precondition(count <= bound, "SeededGenerator.distinct: \(count) below \(bound)")
    if 2 * count > bound {
      var all = Array(0..<bound)
      shuffle(&all)
      return Array(all.prefix(count))
    }
    var seen: Set<Int> = []
    var drawn: [Int] = []
    while drawn.count < count {
      let number = index(below: bound)
      if seen.insert(number).inserted { drawn.append(number) }
    }
    return drawn
  }

  /// Seven digits, the first not 0.
  mutating func sevenDigits() -> String { String(1_000_000 + index(below: 9_000_000)) }

  /// A random identifier (UUID version 4), in small letters.
  mutating func identifier() -> String {
    let high = next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
    let low = next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    let digits = [high, low].map { word in
      let text = String(word, radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }.joined()
    var parts: [Substring] = []
    var rest = digits[...]
    for length in [8, 4, 4, 4, 12] {
      parts.append(rest.prefix(length))
      rest = rest.dropFirst(length)
    }
    return parts.joined(separator: "-")
  }

  /// `count` random letters of the alphabet that begins with `first`.
  mutating func letters(_ count: Int, from first: Unicode.Scalar) -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<count {
      if let letter = Unicode.Scalar(first.value + UInt32(index(below: 26))) {
        text.append(letter)
      }
    }
    return String(text)
  }

  /// `count` different words of random letters.
  mutating func names(
    _ count: Int, letters length: Int, from first: Unicode.Scalar
  ) -> [String] {
    var names: [String] = []
    var seen: Set<String> = []
    while names.count < count {
      let name = letters(length, from: first)
      if seen.insert(name).inserted { names.append(name) }
    }
    return names
  }
}
