import Testing

@testable import Tokenization

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
  private func words(_ preTokenizer: PreTokenizer, _ text: String) -> [String] {
    let text = ScalarText(bytes: Array(text.utf8))
    var words: [String] = []
    preTokenizer.forEachWord(in: text, 0..<text.bytes.count) {
      words.append(String(decoding: text.bytes[$0], as: UTF8.self))
    }
    return words
  }

  @Test(
    "gpt-2 cuts contractions, runs of letters, numbers and signs, and white space",
    arguments: [
      ("", []),
      ("Hello, world!", ["Hello", ",", " world", "!"]),
      (
        "I've said it's we're I'll I'd I'm",
        [
          "I", "'ve", " said", " it", "'s", " we", "'re", " I", "'ll", " I", "'d", " I", "'m",
        ]
      ),
      ("it''s 'S don'T 's '", ["it", "''", "s", " '", "S", " don", "'", "T", " '", "s", " '"]),
      ("'l 'v 're", ["'", "l", " '", "v", " '", "re"]),
      ("a  b   c ", ["a", " ", " b", "  ", " c", " "]),
      ("a\n\n b\t\tc\r\n", ["a", "\n\n", " b", "\t", "\t", "c", "\r\n"]),
      ("x12 345y", ["x", "12", " 345", "y"]),
      ("½Ⅷ²①٣", ["½Ⅷ²①٣"]),
      ("a\u{A0}b\u{2003}\u{3000} c", ["a", "\u{A0}", "b", "\u{2003}\u{3000}", " c"]),
      ("e\u{301}a", ["e", "\u{301}", "a"]),
      ("👩\u{200D}👧 ok", ["👩\u{200D}👧", " ok"]),
    ] as [(String, [String])])
  func gpt2(text: String, expected: [String]) { #expect(words(.gpt2, text) == expected) }

  @Test(
    "smollm lets every number scalar stand alone, and cuts each stretch between by itself",
    arguments: [
      ("In 2025,", ["In", " ", "2", "0", "2", "5", ","]),
      // The stretch before the number ends in white space, so none of it is kept back.
      ("a   7", ["a", "   ", "7"]),
      ("a   b", ["a", "  ", " b"]),
      ("½Ⅷ", ["½", "Ⅷ"]),
      ("1's", ["1", "'s"]),
    ] as [(String, [String])])
  func smollm(text: String, expected: [String]) { #expect(words(.smollm, text) == expected) }

  @Test(
    "llama-bpe takes up to three digits, a sign before letters, and line ends after signs",
    arguments: [
      ("", []),
      ("Hello, world!", ["Hello", ",", " world", "!"]),
      ("I'VE it's we'Re 'TIS", ["I", "'VE", " it", "'s", " we", "'Re", " '", "TIS"]),
      ("'Tis I'\u{17F}x", ["'T", "is", " I", "'\u{17F}", "x"]),
      ("1234567 x12y", ["123", "456", "7", " x", "12", "y"]),
      ("a 1", ["a", " ", "1"]),
      ("(\"text\")", ["(\"", "text", "\")"]),
      ("\ttext\u{A0}more", ["\ttext", "\u{A0}more"]),
      ("end.\n\nNext", ["end", ".\n\n", "Next"]),
      ("a \n \n  b", ["a", " \n \n", " ", " b"]),
      ("a\r\n\tb", ["a", "\r\n", "\tb"]),
      ("a   ", ["a", "   "]),
      ("a  \u{3000}1", ["a", "  ", "\u{3000}", "1"]),
      ("½Ⅷ²①٣", ["½Ⅷ²", "①٣"]),
      ("e\u{301}a", ["e", "\u{301}a"]),
      ("👩\u{200D}👧 ok", ["👩\u{200D}👧", " ok"]),
    ] as [(String, [String])])
  func llama(text: String, expected: [String]) { #expect(words(.llama, text) == expected) }

  @Test(
    "qwen2 and deepseek-r1-qwen are llama-bpe with every number alone",
    arguments: [PreTokenizer.qwen2, .deepSeekQwen])
  func qwen(preTokenizer: PreTokenizer) {
    #expect(words(preTokenizer, "x1234 ½Ⅷ") == ["x", "1", "2", "3", "4", " ", "½", "Ⅷ"])
    var generator = TestGenerator(state: 5)
    let parts = ["a", "B", " ", "\n", "\r", "\t", "'s", "'LL", ".", "€", "\u{301}", "\u{A0}", "漢"]
    for _ in 0..<500 {
      let text = (0..<12).map { _ in parts.randomElement(using: &generator) ?? "" }.joined()
      #expect(words(preTokenizer, text) == words(.llama, text))
    }
  }

  @Test("Words make up the text, whatever is in it", arguments: PreTokenizer.allCases)
  func partition(preTokenizer: PreTokenizer) {
    var generator = TestGenerator(state: 3)
    for _ in 0..<300 {
      var text = ""
      for _ in 0..<40 {
        let range: ClosedRange<UInt32> = Bool.random(using: &generator) ? 0x20...0x7E : 0...0x10FFFF
        text.unicodeScalars.append(
          Unicode.Scalar(UInt32.random(in: range, using: &generator)) ?? "\r")
      }
      let scalars = ScalarText(bytes: Array(text.utf8))
      var end = 0
      preTokenizer.forEachWord(in: scalars, 0..<scalars.bytes.count) { word in
        #expect(word.lowerBound == end && !word.isEmpty)
        end = word.upperBound
      }
      #expect(end == scalars.bytes.count)
    }
  }

  @Test("White space is Unicode's White_Space")
  func spaces() {
    for value in 0...UInt32(0x10FFFF) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      #expect((ScalarClass(scalar) == .space) == scalar.properties.isWhitespace)
    }
  }
}
