import Foundation
import GGUF
import LabTestSupport
import ModelLibrary
import Tasks
import Testing
import Tokenization

extension RealModelTests {
  /// The tokenizer in the model's file against stored ids of an independent implementation, and the tasks on it.
  @Suite("Tokenizer")
  struct TokenizerModelTests {
    private struct Stored: Decodable {
      struct Case: Decodable {
        var text: String
        var ids: [Int32]
        var decoded: String?
      }

      var tokenizer: [Case]
      var chat: Case
    }

    private let stored: Stored
    private let file: GGUFFile
    private let tokenizer: Tokenizer

    init() throws {
      stored = try JSONDecoder().decode(
        Stored.self, from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("golden.json"))))
      file = try GGUFFile(path: LocalModel.smolLM2.path)
      tokenizer = try Tokenizer(of: file)
    }

    @Test("The stored strings get the stored ids, and come back")
    func golden() {
      #expect(stored.tokenizer.count == 12)
      for item in stored.tokenizer {
        #expect(tokenizer.encode(item.text) == item.ids, "\(item.text)")
        #expect(tokenizer.decode(item.ids) == item.decoded)
      }
    }

    @Test("A chat turn is rendered as the template does, and its special tokens are found")
    func chat() throws {
      let template = try ChatTemplate(template: file.string(ifPresent: "tokenizer.chat_template"))
      let text = template.render(user: "What is the capital of France?")
      #expect(text == stored.chat.text)
      #expect(tokenizer.encode(text) == stored.chat.ids)
    }

    @Test("The vocabulary asks for no BOS, and ends at <|endoftext|> and <|im_end|>")
    func vocabulary() {
      #expect(tokenizer.vocabulary.tokens.count == 49_152)
      #expect(!tokenizer.vocabulary.addsBOS && tokenizer.vocabulary.bosToken == 1)
      #expect(tokenizer.endTokens == [0, 2])
      // Six control characters have no token.
      let ascii = String(
        String.UnicodeScalarView((UInt8(0)..<0x80).map { Unicode.Scalar($0) }))
      #expect(tokenizer.writable(ascii).unicodeScalars.count == 122)
    }

    @Test(
      "Passkey prompts have exactly their length and come back from their text",
      arguments: [64, 256, 512, 1_000, 2_048])
    func passkey(contextLength: Int) throws {
      let folder = URL(fileURLWithPath: "/")
      let task = try PasskeyTask(
        .init(depths: [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1], queryAware: true), folder: folder)
      let late = try PasskeyTask(
        .init(depths: [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1], queryAware: false), folder: folder)
      for seed in 0..<2 {
        let samples = try task.samples(
          tokenizer: tokenizer, contextLength: contextLength, seed: seed)
        for sample in samples {
          #expect(sample.prompt.count == contextLength - 8)
          let text = tokenizer.decode(sample.prompt)
          #expect(tokenizer.encode(text) == sample.prompt)
          #expect(text.contains("\n\nThe pass key is \(sample.expected ?? "").\n\n"))
          #expect(text.hasSuffix("\n\nThe pass key is"))
        }
        let split = try late.samples(
          tokenizer: tokenizer, contextLength: contextLength, seed: seed)
        #expect(split.map { $0.prompt + $0.lateTokens } == samples.map(\.prompt))
        #expect(split.allSatisfy { tokenizer.decode($0.lateTokens) == "The pass key is" })
      }
    }
  }
}
