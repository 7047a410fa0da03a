import Foundation
import LabTestSupport
import Testing

@testable import Tokenization

/// Ids of small vocabularies by the tokenizers and sentencepiece libraries, written by
/// `scripts/vectors/tokenization.py`.
@Suite("Tokenization against other libraries")
struct GoldenTokenizationTests {
  private struct Stored: Decodable {
    struct ByteLevel: Decodable {
      struct Case: Decodable {
        var pre: String
        var text: String
        var ids: [Int32]
      }

      var tokens: [String]
      var merges: [String]
      /// How many of the last tokens are matched literally.
      var specials: Int
      var cases: [Case]
    }

    struct SentencePiece: Decodable {
      struct Case: Decodable {
        var text: String
        var ids: [Int32]
        var decoded: String
      }

      var tokens: [String]
      var scores: [Float]
      var types: [Int]
      var unknown: Int
      var addsSpacePrefix: Bool
      var cases: [Case]
    }

    var byteLevel: ByteLevel
    var sentencePiece: [SentencePiece]
  }

  private let stored: Stored

  init() throws {
    stored = try JSONDecoder().decode(
      Stored.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("tokenization.json"))))
  }

  @Test("Byte-level ids are those of tokenizers", arguments: PreTokenizer.allCases)
  func byteLevel(preTokenizer: PreTokenizer) throws {
    let stored = stored.byteLevel
    let normal = stored.tokens.count - stored.specials
    let tokenizer = try Tokenizer(
      Vocabulary(
        .byteLevel(preTokenizer, merges: stored.merges), tokens: stored.tokens,
        tokenTypes: stored.tokens.indices.map { $0 < normal ? 1 : 4 }, bosToken: 0, eosToken: nil,
        addsBOS: false))
    let cases = stored.cases.filter { $0.pre == preTokenizer.rawValue }
    #expect(cases.count > 80)
    for item in cases {
      #expect(tokenizer.encode(item.text) == item.ids, "\(item.text.debugDescription)")
      #expect(tokenizer.decode(item.ids).utf8.elementsEqual(tokenizer.writable(item.text).utf8))
    }
  }

  @Test("SentencePiece ids are those of sentencepiece", arguments: 0..<3)
  func sentencePiece(index: Int) throws {
    let stored = stored.sentencePiece[index]
    let tokenizer = try Tokenizer(
      Vocabulary(
        .sentencePiece(scores: stored.scores, addsSpacePrefix: stored.addsSpacePrefix),
        tokens: stored.tokens, tokenTypes: stored.types, bosToken: nil, eosToken: nil,
        unknownToken: stored.unknown, addsBOS: false))
    #expect(stored.cases.count > 80)
    for item in stored.cases {
      let text = item.text.debugDescription
      #expect(tokenizer.encode(item.text) == item.ids, "\(text)")
      guard stored.types.contains(6) else { continue }
      // A ▁ of the text itself comes back as a space, there and here.
      #expect(tokenizer.decode(item.ids).utf8.elementsEqual(item.decoded.utf8), "\(text)")
    }
  }
}
