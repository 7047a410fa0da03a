import Testing

@testable import Tokenization

@Suite("Tokenizer")
struct TokenizerTests {
  private static let merges = ["Ġ t", "h e", "Ġt he", "i n", "Ċ Ċ", "Ã ©"]
  private let tokenizer: Tokenizer

  init() throws {
    tokenizer = try Tokenizer(try TestVocabulary.make(merges: Self.merges, eosToken: 256))
  }

  private func id(_ token: String) -> Int32 {
    tokenizer.vocabulary.tokens.firstIndex(of: token).map(Int32.init) ?? -1
  }

  @Test("Words are merged, numbers stand alone")
  func encode() {
    #expect(tokenizer.encode("") == [])
    #expect(
      tokenizer.encode("in the 42é\n\n")
        == [id("in"), id("Ġthe"), id("Ġ"), id("4"), id("2"), id("Ã©"), id("ĊĊ")])
  }

  @Test("Special tokens written in a text become their ids, the longest first")
  func specials() {
    #expect(
      tokenizer.encode("<|im_start|>in<|im_end|><|im_end|><|im_end|> <é>")
        == [
          id("<|im_start|>"), id("in"), id("<|im_end|><|im_end|>"), id("<|im_end|>"), id("Ġ"),
          id("<é>"),
        ])
    let plain = tokenizer.encode("<|im_end")
    #expect(plain.count == 8 && tokenizer.decode(plain) == "<|im_end")
    #expect(tokenizer.decode([id("<é>"), id("Ġthe")]) == "<é> the")
  }

  @Test("White space before a special token ends its stretch")
  func spaceBeforeSpecial() {
    #expect(tokenizer.encode("  <|im_end|>") == [id("Ġ"), id("Ġ"), id("<|im_end|>")])
  }

  @Test("BOS comes first where the vocabulary or the caller asks for it")
  func bos() throws {
    let asks = try Tokenizer(
      try TestVocabulary.make(merges: Self.merges, bosToken: 262, addsBOS: true))
    #expect(asks.encode("in") == [262, id("in")])
    #expect(asks.encode("") == [262])
    #expect(asks.encode("in", addsBOS: false) == [id("in")])
    #expect(tokenizer.encode("in", addsBOS: true) == [id("in")])
    #expect(asks.textStart == [262] && tokenizer.textStart == [])
  }

  @Test("Where the file is silent, llama-bpe asks for BOS and the other byte-level kinds do not")
  func bosByDefault() throws {
    for preTokenizer in PreTokenizer.allCases {
      let vocabulary = try TestVocabulary.make(
        merges: Self.merges, preTokenizer: preTokenizer, bosToken: 262)
      #expect(vocabulary.addsBOS == (preTokenizer == .llama))
    }
  }

  @Test("llama-bpe takes a word that is a token whole, the others merge it")
  func wholeWords() throws {
    // No merge leads to " cat": its parts can't be made.
    let merges = ["Ġ c", "a t"]
    for preTokenizer in PreTokenizer.allCases {
      let vocabulary = try TestVocabulary.make(
        merges: merges, specials: ["Ġcat"], preTokenizer: preTokenizer, bosToken: 0, addsBOS: false)
      let normal = try Vocabulary(
        vocabulary.kind, tokens: vocabulary.tokens,
        tokenTypes: vocabulary.tokens.map { _ in 1 }, bosToken: 0, eosToken: nil, addsBOS: false)
      let tokenizer = try Tokenizer(normal)
      #expect(tokenizer.encode(" cat") == (preTokenizer == .llama ? [258] : [256, 257]))
      #expect(tokenizer.encode(" cats").count == 3)
    }
  }

  @Test("Qwen's kinds compose a text before they split it, special tokens aside")
  func composed() throws {
    let vocabulary = { (preTokenizer: PreTokenizer) in
      try TestVocabulary.make(
        merges: Self.merges, specials: ["<e\u{301}>", "=>"], preTokenizer: preTokenizer)
    }
    for preTokenizer in [PreTokenizer.qwen2, .deepSeekQwen] {
      let tokenizer = try Tokenizer(try vocabulary(preTokenizer))
      #expect(tokenizer.encode("e\u{301}") == tokenizer.encode("\u{E9}"))
      #expect(tokenizer.encode("<e\u{301}>") == [262])
      // Composed with the sign before it, the mark would hide the special token.
      #expect(tokenizer.encode("=>\u{338}").first == 263)
      #expect(
        tokenizer.writable("=>\u{338}e\u{301}").unicodeScalars.elementsEqual(
          "=>\u{338}\u{E9}".unicodeScalars))
      #expect(tokenizer.encode("\u{E9}").count == 1)
    }
    let plain = try Tokenizer(try vocabulary(.gpt2))
    #expect(plain.encode("e\u{301}") != plain.encode("\u{E9}"))
  }

  @Test(
    "Text is composed as Unicode 14 has it (Python's unicodedata)",
    arguments: [
      ("e\u{301}", "\u{E9}"), ("a\u{323}\u{302}", "\u{1EAD}"), ("a\u{302}\u{323}", "\u{1EAD}"),
      ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"), ("\u{C100}\u{11B1}", "\u{C10A}"),
      ("\u{1104}\u{1176}", "\u{1104}\u{1176}"), ("\u{212B}\u{2F800}", "\u{C5}\u{4E3D}"),
      ("\u{10041}\u{323}\u{F0074}\u{323}", "\u{10041}\u{323}\u{F0074}\u{323}"),
      ("\u{11099}\u{110BA}", "\u{1109A}"), ("\u{36F}\u{F73}", "\u{F71}\u{F72}\u{36F}"),
      ("\u{958}\u{344}", "\u{915}\u{93C}\u{308}\u{301}"), ("", ""), ("abc\r\n", "abc\r\n"),
    ])
  func normalizationForm(text: String, expected: String) {
    #expect(text.composed.unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  @Test("End tokens are EOS and control tokens with a usual name")
  func endTokens() { #expect(tokenizer.endTokens == [256, id("<|im_end|>")]) }

  @Test("Any text comes back from its ids", arguments: PreTokenizer.allCases)
  func roundTrip(preTokenizer: PreTokenizer) throws {
    let tokenizer = try Tokenizer(
      try TestVocabulary.make(merges: Self.merges, preTokenizer: preTokenizer, addsBOS: false))
    var generator = TestGenerator(state: 9)
    for _ in 0..<200 {
      var text = ""
      for _ in 0..<50 {
        let range: ClosedRange<UInt32> = Bool.random(using: &generator) ? 0...0x7F : 0...0x10FFFF
        text.unicodeScalars.append(
          Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "\n")
      }
      let ids = tokenizer.encode(text)
      #expect(Array(tokenizer.decode(ids).utf8) == Array(tokenizer.writable(text).utf8))
      #expect(tokenizer.decode(ids, continuing: true) == tokenizer.decode(ids))
      if !preTokenizer.isNormalizing {
        #expect(Array(tokenizer.writable(text).utf8) == Array(text.utf8))
      }
    }
    #expect(tokenizer.decode(tokenizer.encode("a\r\nb\u{0}")) == "a\r\nb\u{0}")
  }

  @Test("Bytes that are no UTF-8 and ids outside the vocabulary decode as U+FFFD")
  func damage() {
    #expect(tokenizer.decode([0xC3]) == "\u{FFFD}")
    #expect(tokenizer.decode([0x61, 0xE2, 0x82, 0x62]) == "a\u{FFFD}b")
    #expect(tokenizer.decode([-1, 0x61, 100_000]) == "\u{FFFD}a\u{FFFD}")
  }

  @Test("Bytes without a token are left out")
  func missing() throws {
    let tokenizer = try Tokenizer(
      try TestVocabulary.make(merges: Self.merges, without: [0x04, 0xF1]))
    #expect(tokenizer.writable("a\u{4}b\u{F0000}\u{50000}c") == "ab\u{F0000}c")
    #expect(tokenizer.decode(tokenizer.encode("a\u{4}b")) == "ab")
  }

  @Test("A word that comes again is encoded as the first time")
  func repeated() {
    let once = tokenizer.encode(" the in")
    #expect(tokenizer.encode(" the in the in") == once + once)
    let long = String(repeating: "in", count: 100)
    #expect(
      tokenizer.encode(long + " " + long).filter { $0 == id("in") }.count == 200)
  }

  @Test("Streamed text is what decoding at once gives, and never ends inside a character")
  func stream() {
    var generator = TestGenerator(state: 4)
    for _ in 0..<2000 {
      // Mostly lead and continuation bytes, where it matters.
      let ids = (0..<12).map { _ in
        Int32.random(in: Bool.random(using: &generator) ? 0x80...0xFF : 0...263, using: &generator)
      }
      var stream = TextStream(tokenizer)
      let text = ids.map { stream.append($0) }.joined() + stream.finish()
      #expect(Array(text.utf8) == Array(tokenizer.decode(ids, continuing: true).utf8))
    }
    var stream = TextStream(tokenizer)
    let parts = Array("a😀é".utf8).map { stream.append(Int32($0)) }
    #expect(parts == ["a", "", "", "", "😀", "", "é"])
    #expect(stream.finish() == "")
  }
}
