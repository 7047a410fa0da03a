import Foundation
import GGUF
import LabTestSupport
import ModelLibrary
import Testing
import Tokenization

/// The tokenizer in Gemma 3's file against stored ids of transformers and llama.cpp.
@Suite("Tokenizer of Gemma 3 270M")
struct Gemma3TokenizerTests {
  private struct Stored: Decodable {
    struct Case: Decodable {
      var text: String
      var ids: [Int32]
    }

    var tokenizer: [Case]
  }

  private static let path = ModelCache.standard.folder + "/gemma-3-270m-q4_k_m.gguf"

  private static var isWanted: Bool {
    FileManager.default.fileExists(atPath: path)
      || ProcessInfo.processInfo.environment["REQUIRE_MODEL"] == "1"
  }

  @Test(
    "The stored strings get the stored ids, and come back after BOS",
    .enabled(if: isWanted, "no model at \(path)"))
  func golden() throws {
    let stored = try JSONDecoder().decode(
      Stored.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("models/gemma3.json"))))
    let tokenizer = try Tokenizer(of: GGUFFile(path: Self.path))
    #expect(stored.tokenizer.count == 12)
    for item in stored.tokenizer {
      #expect(tokenizer.encode(item.text) == item.ids, "\(item.text.debugDescription)")
      #expect(tokenizer.decode(item.ids).utf8.elementsEqual(("<bos>" + item.text).utf8))
    }
    #expect(tokenizer.textStart == [2])
    #expect(tokenizer.endTokens == [1, 106])
  }
}
