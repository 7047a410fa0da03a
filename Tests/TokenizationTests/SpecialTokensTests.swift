import Testing

@testable import Tokenization

@Suite("Special tokens")
struct SpecialTokensTests {
  /// At each place, every token.
  private func reference(
    _ tokens: [SpecialTokens.Token], _ text: [UInt8], from offset: Int
  ) -> (Range<Int>, Int32)? {
    for start in offset..<text.count {
      let matching = tokens.filter { text[start...].starts(with: $0.bytes) }
      if let longest = matching.max(by: { $0.bytes.count < $1.bytes.count }) {
        return (start..<start + longest.bytes.count, longest.id)
      }
    }
    return nil
  }

  @Test("The leftmost is found, and of those the longest", arguments: 0..<20)
  func againstReference(seed: Int) {
    var generator = TestGenerator(state: UInt64(seed))
    let random = { (lengths: ClosedRange<Int>, generator: inout TestGenerator) in
      (0..<Int.random(in: lengths, using: &generator)).map { _ in
        UInt8.random(in: 254...255, using: &generator) &+ UInt8.random(in: 0...1, using: &generator)
      }
    }
    var texts: Set<[UInt8]> = []
    for _ in 0..<12 { texts.insert(random(1...6, &generator)) }
    let tokens = texts.enumerated().map { SpecialTokens.Token(id: Int32($0), bytes: $1) }
    let specials = SpecialTokens(tokens)
    for _ in 0..<100 {
      let text = random(0...20, &generator)
      let offset = Int.random(in: 0...text.count, using: &generator)
      let found = specials.first(in: text, from: offset)
      let expected = reference(tokens, text, from: offset)
      #expect(found?.range == expected?.0 && found?.id == expected?.1)
    }
  }

  @Test("Of tokens that are alike the first counts")
  func alike() {
    let specials = SpecialTokens(
      [(5, "ab"), (3, "a"), (4, "ab"), (2, "ab"), (1, "abc")].map {
        SpecialTokens.Token(id: Int32($0), bytes: Array($1.utf8))
      })
    let text = Array("xabxaxabc".utf8)
    #expect(specials.first(in: text, from: 0)?.id == 5)
    #expect(specials.first(in: text, from: 3)?.id == 3)
    #expect(specials.first(in: text, from: 5)?.id == 1)
  }

  @Test("Thousands with one beginning are told apart")
  func thousands() {
    let texts =
      (0..<6000).map { "<unused\($0)>" } + (1...31).map { String(repeating: "\n", count: $0) }
    let specials = SpecialTokens(
      texts.enumerated().map { SpecialTokens.Token(id: Int32($0), bytes: Array($1.utf8)) })
    let text = Array(String(repeating: "<unused5999 > <unused<unused42>\n\n\n", count: 2000).utf8)
    var ids: [Int32] = []
    var offset = 0
    while let found = specials.first(in: text, from: offset) {
      ids.append(found.id)
      offset = found.range.upperBound
    }
    #expect(ids == Array(repeating: [42, 6002], count: 2000).flatMap(\.self))
    #expect(SpecialTokens([]).first(in: text, from: 0) == nil)
  }
}
