@testable import Tokenization

/// Small SentencePiece vocabularies: `<unk>`, `<s>`, `</s>`, the 256 byte tokens, the characters,
/// what merges make with their scores, then special tokens.
enum TestPieces {
  static let specials = ["<turn>", "\n\n", "▁▁", "▁▁▁"]

  static func make(
    _ pieces: [(String, Float)], unused: Set<String> = [], characters: String = "abcdefgh▁",
    specials: [String] = specials, hasBytes: Bool = true, unknownToken: Int? = 0,
    addsSpacePrefix: Bool = true, addsBOS: Bool? = false
  ) throws -> Vocabulary {
    var tokens: [(text: String, type: Int, score: Float)] = [
      ("<unk>", 2, 0), ("<s>", 3, 0), ("</s>", 3, 0),
    ]
    if hasBytes {
      for byte in UInt8.min...UInt8.max { tokens.append((name(of: byte), 6, 0)) }
    }
    let characters = characters.unicodeScalars.map { (String($0), Float(-1000)) }
    for (text, score) in characters + pieces {
      tokens.append((text, unused.contains(text) ? 5 : 1, score))
    }
    for text in specials { tokens.append((text, 4, 0)) }
    return try Vocabulary(
      .sentencePiece(scores: tokens.map(\.score), addsSpacePrefix: addsSpacePrefix),
      tokens: tokens.map(\.text), tokenTypes: tokens.map(\.type), bosToken: 1, eosToken: 2,
      unknownToken: unknownToken, addsBOS: addsBOS)
  }

  static func name(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
  }

  /// Different texts of two to five characters with random scores, some of them equal.
  static func randomPieces(
    _ count: Int, over characters: String, using generator: inout some RandomNumberGenerator
  ) -> [(String, Float)] {
    var texts: Set<String> = []
    while texts.count < count {
      let length = Int.random(in: 2...5, using: &generator)
      let text = (0..<length).compactMap { _ in characters.randomElement(using: &generator) }
      texts.insert(String(text))
    }
    return texts.sorted().map { ($0, Float(Int.random(in: -20...2, using: &generator))) }
  }
}
