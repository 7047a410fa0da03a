import Testing

@testable import Tokenization

@Suite("Vocabularies")
struct VocabularyTests {
  private func problem(
    tokens: [String]? = nil, types: [Int]? = nil, merges: [String] = ["t h"],
    preTokenizer: String = "smollm", bos: Int? = nil, eos: Int? = nil, addsBOS: Bool? = nil
  ) -> String {
    let tokens = tokens ?? TestVocabulary.tokens(merges: ["t h"], specials: [])
    do {
      let vocabulary = try Vocabulary(
        .byteLevel(PreTokenizer(named: preTokenizer), merges: merges), tokens: tokens,
        tokenTypes: types ?? tokens.map { _ in 1 }, bosToken: bos, eosToken: eos, addsBOS: addsBOS)
      _ = try Tokenizer(vocabulary)
      return ""
    } catch {
      return "\(error)"
    }
  }

  private let tokens = TestVocabulary.tokens(merges: ["t h"], specials: [])

  @Test("A sound vocabulary has no problem")
  func sound() { #expect(problem() == "") }

  @Test("An unknown pre-tokenizer is an error that names it and the known ones")
  func preTokenizer() {
    #expect(
      problem(preTokenizer: "tekken\u{1B}")
        == "the pre-tokenizer \"tekken\\u{1B}\" (tokenizer.ggml.pre) is not known; known are \"smollm\", \"gpt-2\", \"llama-bpe\", \"qwen2\", \"deepseek-r1-qwen\""
    )
  }

  @Test("Tokens must differ, in their bytes and not as people read them")
  func duplicates() {
    #expect(
      problem(tokens: tokens + ["th"])
        == "tokens 256 and 257 of the vocabulary are the same: \"th\"")
    #expect(problem(tokens: tokens + ["\u{E9}e", "e\u{301}e"]) == "")
    #expect(problem(tokens: tokens + [""]) == "token 257 is empty")
    #expect(problem(tokens: []) == "the vocabulary has \"0\" tokens; allowed are 1 to 2147483647")
  }

  @Test("Token types are as many as tokens, from 1 to 6")
  func types() {
    #expect(problem(types: [1, 2]) == "the vocabulary has \"2\" token types for 257 tokens")
    var types = tokens.map { _ in 1 }
    types[9] = 7
    #expect(problem(types: types) == "token 9 has the type \"7\"; allowed are 1 to 6")
  }

  @Test("Special ids lie inside the vocabulary")
  func ids() {
    #expect(problem(bos: 257) == "the BOS token has the id \"257\"; allowed are 0 to 256")
    #expect(problem(eos: -1) == "the EOS token has the id \"-1\"; allowed are 0 to 256")
    #expect(problem(bos: 256, eos: 0, addsBOS: true) == "")
    let none = "the vocabulary asks for a BOS token before every text and names none"
    #expect(problem(addsBOS: true) == none && problem(preTokenizer: "llama-bpe") == none)
  }

  @Test(
    "A merge joins two tokens into a third, once",
    arguments: [
      ("t x", "merge 0, \"t x\": both parts and the two together must be tokens of the vocabulary"),
      (
        "t zz",
        "merge 0, \"t zz\": both parts and the two together must be tokens of the vocabulary"
      ),
      ("th", "merge 0 is \"th\"; allowed are two tokens with a space between"),
      ("t h e", "merge 0 is \"t h e\"; allowed are two tokens with a space between"),
      ("", "merge 0 is \"\"; allowed are two tokens with a space between"),
    ])
  func merges(merge: String, expected: String) { #expect(problem(merges: [merge]) == expected) }

  @Test("A merge that comes twice is an error")
  func twice() {
    #expect(problem(merges: ["t h", "t h"]) == "merge 1, \"t h\", comes twice")
  }

  @Test("Only bytes that plain text does without may lack a token")
  func missingBytes() {
    #expect(
      problem(tokens: tokens.filter { $0 != "Ġ" })
        == "the vocabulary has no token \"Ġ\" for the byte \"32\"")
    #expect(problem(tokens: tokens.filter { $0 != "ñ" }) == "")  // 0xF1
    #expect(problem(tokens: tokens.filter { $0 != "Ģ" }).contains("byte \"128\""))
  }

  @Test("The byte alphabet is GPT-2's")
  func alphabet() {
    let scalars = ByteAlphabet.scalars
    #expect(scalars.count == 256 && Set(scalars).count == 256)
    #expect(scalars[0] == "Ā" && scalars[0x20] == "Ġ" && scalars[0x0A] == "Ċ")
    #expect(scalars[0x41] == "A" && scalars[0xFF] == "ÿ" && scalars[0xAD] == "\u{143}")
    for byte in UInt8.min...UInt8.max {
      #expect(ByteAlphabet.bytes(spelledBy: String(scalars[Int(byte)])) == [byte])
    }
    #expect(ByteAlphabet.bytes(spelledBy: "a b") == nil)
  }
}
