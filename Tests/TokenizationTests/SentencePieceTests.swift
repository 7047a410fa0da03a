import Testing

@testable import Tokenization

@Suite("SentencePiece")
struct SentencePieceTests {
  /// The definition: of all neighbours that together are a token, join those of the highest score,
  /// the leftmost of equal ones; start over. In the end take unused tokens apart again. No words,
  /// no heap.
  private func reference(_ text: String, _ vocabulary: Vocabulary) -> [Int32] {
    guard case .sentencePiece(let scores, let addsSpacePrefix) = vocabulary.kind else { return [] }
    var ids: [[Unicode.Scalar]: Int] = [:]
    for (id, token) in vocabulary.tokens.enumerated()
    where ![2, 3, 6].contains(vocabulary.tokenTypes[id].rawValue) {
      ids[Array(token.unicodeScalars)] = id
    }
    let prefixed = (addsSpacePrefix && !text.isEmpty ? " " : "") + text
    var pieces = prefixed.unicodeScalars.map { [$0 == " " ? "\u{2581}" : $0] }
    var leftCounts: [[Unicode.Scalar]: Int] = [:]
    while true {
      var best: (place: Int, score: Float)?
      for place in pieces.indices.dropLast() {
        guard let id = ids[pieces[place] + pieces[place + 1]] else { continue }
        if best.map({ scores[id] > $0.score }) ?? true { best = (place, scores[id]) }
      }
      guard let place = best?.place else { break }
      let right = pieces.remove(at: place + 1)
      leftCounts[pieces[place] + right] = pieces[place].count
      pieces[place] += right
    }
    func isUnused(_ piece: [Unicode.Scalar]) -> Bool {
      ids[piece].map { vocabulary.tokenTypes[$0] == .unused } ?? false
    }
    while let place = pieces.firstIndex(where: { isUnused($0) && $0.count > 1 }) {
      let piece = pieces[place]
      let left = leftCounts[piece] ?? 1
      pieces.replaceSubrange(
        place...place, with: [Array(piece.prefix(left)), Array(piece.dropFirst(left))])
    }
    return pieces.flatMap { piece -> [Int32] in
      if let id = ids[piece], !isUnused(piece) { return [Int32(id)] }
      return piece.flatMap { String($0).utf8 }.map { byte in
        Int32(vocabulary.tokens.firstIndex(of: TestPieces.name(of: byte)) ?? -1)
      }
    }
  }

  @Test("Encoding is what its definition says, for any pieces and scores", arguments: 0..<30)
  func againstReference(seed: Int) throws {
    var generator = TestGenerator(state: UInt64(seed))
    // Half of the vocabularies have pieces with a ▁ inside, which words must not cut.
    let alphabet = seed % 2 == 0 ? "aab▁" : "abc"
    var pieces = TestPieces.randomPieces(40, over: alphabet, using: &generator)
    if seed % 2 == 1 {
      pieces = pieces.map { (Bool.random(using: &generator) ? $0.0 : "▁" + $0.0, $0.1) }
    }
    var seen: Set<String> = []
    pieces = pieces.filter { seen.insert($0.0).inserted }
    // A third of them have pieces that are not used.
    var unused: Set<String> = []
    if seed % 3 == 0 {
      for (text, _) in pieces where Bool.random(using: &generator) { unused.insert(text) }
      if seed % 6 == 0 { unused.insert("a") }
    }
    let vocabulary = try TestPieces.make(
      pieces, unused: unused, specials: [], addsSpacePrefix: seed % 5 != 0)
    let tokenizer = try Tokenizer(vocabulary)
    for length in 0..<60 {
      let text = (0..<length).compactMap { _ in "aabbc  é漢▁".randomElement(using: &generator) }
      #expect(tokenizer.encode(String(text)) == reference(String(text), vocabulary))
    }
  }

  private func id(_ token: String, _ tokenizer: Tokenizer) -> Int32 {
    tokenizer.vocabulary.tokens.firstIndex(of: token).map(Int32.init) ?? -1
  }

  @Test("The higher score merges first, even where the other pair comes earlier")
  func scores() throws {
    let tokenizer = try Tokenizer(
      try TestPieces.make([("ab", -2), ("bc", -1), ("abc", -3)], addsSpacePrefix: false))
    #expect(tokenizer.encode("abc") == [id("abc", tokenizer)])
    #expect(tokenizer.encode("abb") == [id("ab", tokenizer), id("b", tokenizer)])
    let other = try Tokenizer(
      try TestPieces.make([("ab", -2), ("bc", -1)], addsSpacePrefix: false))
    #expect(other.encode("abc") == [id("a", other), id("bc", other)])
    for (low, high) in [(-1, 0), (0, 0.5), (-0.5, -0.25), (1, 2), (-.infinity, -3)]
      as [(Float, Float)]
    {
      let tokenizer = try Tokenizer(
        try TestPieces.make([("ab", low), ("bc", high)], addsSpacePrefix: false))
      #expect(tokenizer.encode("abc") == [id("a", tokenizer), id("bc", tokenizer)])
    }
    // Zero has no sign: the left pair of two equal ones.
    let zero = try Tokenizer(
      try TestPieces.make([("ab", -0.0), ("bc", 0)], addsSpacePrefix: false))
    #expect(zero.encode("abc") == [id("ab", zero), id("c", zero)])
  }

  /// Ids by sentencepiece 0.2.3, of a model with the same pieces, scores and types.
  @Test("An unused token falls apart into what it was merged from, as in sentencepiece")
  func unused() throws {
    let texts = ["abc", "abcabcd ab", "efgé", "aéb ab"]
    let cases: [(unused: Set<String>, hasBytes: Bool, ids: [[Int32]])] = [
      ([], true, [[269], [269, 271, 272], [274, 198, 172], [259, 198, 172, 260, 272]]),
      (
        ["abc"], true,
        [[268, 261], [268, 261, 271, 272], [274, 198, 172], [259, 198, 172, 260, 272]]
      ),
      (
        ["ab", "abc"], true,
        [
          [259, 260, 261], [259, 260, 261, 271, 272], [274, 198, 172], [259, 198, 172, 260, 272],
        ]
      ),
      (
        ["abc", "abcd"], true,
        [
          [268, 261], [268, 261, 268, 261, 262, 272], [274, 198, 172], [259, 198, 172, 260, 272],
        ]
      ),
      (
        ["ab", "▁ab"], true,
        [[269], [269, 271, 267, 259, 260], [274, 198, 172], [259, 198, 172, 260, 267, 259, 260]]
      ),
      (
        ["ef", "efg"], true,
        [[269], [269, 271, 272], [263, 264, 265, 198, 172], [259, 198, 172, 260, 272]]
      ),
      // A single character is as unknown as one without a token.
      (["a"], true, [[269], [269, 271, 272], [274, 198, 172], [100, 198, 172, 260, 272]]),
      (["ef", "efg"], false, [[13], [13, 15, 16], [7, 8, 9, 0], [3, 0, 4, 16]]),
      (["a", "ab"], false, [[13], [13, 15, 16], [18, 0], [0, 4, 16]]),
    ]
    for (unused, hasBytes, ids) in cases {
      let tokenizer = try Tokenizer(
        try TestPieces.make(
          [
            ("ab", -1), ("abc", -2), ("cd", -3), ("abcd", -4), ("▁ab", -5), ("ef", -6),
            ("efg", -7),
          ], unused: unused, specials: [], hasBytes: hasBytes, addsSpacePrefix: false))
      #expect(texts.map { tokenizer.encode($0) } == ids, "\(unused.sorted())")
    }
  }

  @Test("A stretch gets a space before it where the vocabulary says so, after special tokens too")
  func prefix() throws {
    let with = try Tokenizer(try TestPieces.make([("▁a", -1)]))
    let a = id("▁a", with)
    #expect(with.encode("") == [])
    #expect(with.encode("a") == [a])
    #expect(with.encode("a<turn>a") == [a, id("<turn>", with), a])
    #expect(with.encode(" a") == [id("▁", with), a])
    #expect(with.decode([a, id("<turn>", with), a]) == "a<turn>a")
    #expect(with.decode([a, a]) == "a a" && with.decode([a], continuing: true) == " a")
    let without = try Tokenizer(try TestPieces.make([("▁a", -1)], addsSpacePrefix: false))
    #expect(without.encode("a a") == [id("a", without), a])
    #expect(without.decode([a]) == " a")
  }

  @Test("User-defined tokens are matched before all else, the longest first; runs of ▁ are spaces")
  func userDefined() throws {
    let tokenizer = try Tokenizer(
      try TestPieces.make([("▁a", -1), ("<", -1), ("<t", -1)], addsSpacePrefix: false))
    let ids = { (tokens: String...) in tokens.map { id($0, tokenizer) } }
    #expect(tokenizer.encode("a  b") == ids("a", "▁▁", "b"))
    #expect(tokenizer.encode("     ") == ids("▁▁▁", "▁▁"))
    #expect(tokenizer.encode("\n\n\n") == ids("\n\n", "<0x0A>"))
    #expect(tokenizer.encode("<turn><tur") == ids("<turn>", "<t", "<0x75>", "<0x72>"))
    #expect(tokenizer.encode("a▁a ▁a") == ids("a", "▁a", "▁▁", "a"))
    #expect(tokenizer.writable("a▁a<turn>") == "a a<turn>")
    #expect(tokenizer.decode(ids("▁▁▁", "\n\n", "a")) == "   \n\na")
  }

  @Test("Of two special tokens that a text cannot tell apart the one spelled with spaces is found")
  func alikeSpecials() throws {
    for specials in [["▁▁", "  ", "▁▁▁"], ["▁▁▁", "  ", "▁▁"]] {
      let tokenizer = try Tokenizer(
        try TestPieces.make([], specials: specials, addsSpacePrefix: false))
      let ids = { (tokens: String...) in tokens.map { id($0, tokenizer) } }
      #expect(tokenizer.encode("a  b") == ids("a", "  ", "b"))
      #expect(tokenizer.encode("a▁▁b     ") == ids("a", "  ", "b", "▁▁▁", "  "))
      #expect(tokenizer.decode(ids("▁▁", "  ")) == "    ")
    }
    // Where neither is, the first.
    let mixed = try Tokenizer(
      try TestPieces.make([], specials: ["▁ ", " ▁"], addsSpacePrefix: false))
    #expect(mixed.encode("  ") == [id("▁ ", mixed)])
  }

  @Test("What no token holds becomes bytes, else the unknown token, one for several in a row")
  func unknown() throws {
    let bytes = try Tokenizer(try TestPieces.make([], addsSpacePrefix: false))
    #expect(bytes.encode("aé") == [id("a", bytes), id("<0xC3>", bytes), id("<0xA9>", bytes)])
    #expect(bytes.decode(bytes.encode("é😀\u{0}")) == "é😀\u{0}")
    #expect(bytes.writable("é😀") == "é😀")
    let none = try Tokenizer(try TestPieces.make([], hasBytes: false, addsSpacePrefix: false))
    #expect(none.encode("aé😀b é") == [id("a", none), 0, id("b", none), id("▁", none), 0])
    #expect(none.decode([0]) == "<unk>")
    #expect(none.writable("aé😀b é") == "ab ")
  }

  @Test("Byte and control tokens written in a text by their parts are not made by merging")
  func written() throws {
    let tokenizer = try Tokenizer(
      try TestPieces.make([("<0", 0), ("x0", 0), ("A>", 0), ("<0x0", 0)], addsSpacePrefix: false))
    #expect(!tokenizer.encode("<0x0A>").contains(id("<0x0A>", tokenizer)))
    #expect(tokenizer.encode("<s>") == [1])
  }

  @Test("Any text comes back from its ids, and as a stream", arguments: [true, false])
  func roundTrip(addsSpacePrefix: Bool) throws {
    var generator = TestGenerator(state: 8)
    let pieces = TestPieces.randomPieces(60, over: "abcde▁", using: &generator)
      .filter { !TestPieces.specials.contains($0.0) }
    let tokenizer = try Tokenizer(
      try TestPieces.make(pieces, addsSpacePrefix: addsSpacePrefix))
    let parts = ["a", "b", "c", " ", "  ", "\n\n", "<turn>", "é", "😀", "\u{0}", "\r\n", "e\u{301}"]
    for _ in 0..<500 {
      let text = (0..<15).map { _ in parts.randomElement(using: &generator) ?? "" }.joined()
      let ids = tokenizer.encode(text)
      #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8))
      #expect(tokenizer.pieces(of: ids).joined().elementsEqual(text.utf8))
      var stream = TextStream(tokenizer)
      let streamed = ids.map { stream.append($0) }.joined() + stream.finish()
      #expect(Array(streamed.utf8) == Array(tokenizer.decode(ids, continuing: true).utf8))
    }
  }

  @Test("A user-defined token with the name of an end token ends nothing")
  func endTokens() throws {
    let tokenizer = try Tokenizer(try TestPieces.make([], specials: ["<end_of_turn>"]))
    #expect(tokenizer.endTokens == [2])
  }

  @Test("BOS comes first unless the file says no")
  func bos() throws {
    let tokenizer = try Tokenizer(try TestPieces.make([], addsBOS: nil))
    #expect(tokenizer.encode("a").first == 1 && tokenizer.textStart == [1])
    #expect(tokenizer.decode(tokenizer.encode("a")) == "<s>a")
    let silent = try Tokenizer(try TestPieces.make([], addsBOS: false))
    #expect(!silent.encode("a").contains(1) && silent.textStart == [])
  }

  @Test("One word of 300,000 characters takes about as long per character as many short ones")
  func longWord() throws {
    var generator = TestGenerator(state: 2)
    let pieces = TestPieces.randomPieces(60, over: "abcd", using: &generator)
    let tokenizer = try Tokenizer(try TestPieces.make(pieces, addsSpacePrefix: false))
    let text = String((0..<300_000).compactMap { _ in "abcd".randomElement(using: &generator) })
    let ids = tokenizer.encode(text)
    #expect(ids.count < 210_000 && tokenizer.decode(ids) == text)
  }

  private func problem(_ make: () throws -> Vocabulary) -> String {
    do {
      _ = try Tokenizer(make())
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test("A damaged vocabulary is refused in one sentence")
  func damaged() {
    #expect(problem { try TestPieces.make([]) } == "")
    #expect(
      problem { try TestPieces.make([("ab", .nan)]) }
        == "token 268 has the score \"nan\"; allowed are numbers, which have an order")
    #expect(
      problem {
        try Vocabulary(
          .sentencePiece(scores: [0], addsSpacePrefix: true), tokens: ["▁", "b"],
          tokenTypes: [1, 1], bosToken: 0, eosToken: nil)
      } == "the vocabulary has \"1\" scores for 2 tokens")
    #expect(
      problem { try TestPieces.make([], hasBytes: false, unknownToken: nil) }
        == "the vocabulary has neither the 256 byte tokens \"<0x00>\" to \"<0xFF>\" nor an unknown token (tokenizer.ggml.unknown_token_id), so that it cannot write every text"
    )
    #expect(
      problem { try TestPieces.make([], characters: "ab") }
        == "the vocabulary has no token \"▁\" for a space")
    #expect(
      problem { try TestPieces.make([], unused: ["▁"]) }
        == "the vocabulary has no token \"▁\" for a space")
    #expect(
      problem { try TestPieces.make([("a", 0)]) }
        == "tokens 259 and 268 of the vocabulary are the same: \"a\"")
    for text in ["<0xG0>", "<0x1>", "<0x+1>", "0x10", ""] {
      let types = [1, 6]
      let found = problem {
        try Vocabulary(
          .sentencePiece(scores: [0, 0], addsSpacePrefix: true), tokens: ["▁", text],
          tokenTypes: types, bosToken: 0, eosToken: nil, unknownToken: 0)
      }
      #expect(
        found
          == (text.isEmpty
            ? "token 1 is empty"
            : "token 1, \"\(text)\", is of the type for bytes (6); allowed are \"<0x00>\" to \"<0xFF>\"")
      )
    }
  }
}
