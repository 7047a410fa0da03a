import Foundation
import GGUF
import LabTestSupport
import ModelLibrary
import Tokenization

extension LocalModel {
  /// The first `count` tokens of a shipped corpus from a character on, single line ends joined to spaces.
  func tokens(_ count: Int, of corpus: String, fromCharacter first: Int) throws -> [Int32] {
    let corpusPath = GoldenFiles.path("../../experiments/corpora/\(corpus).txt")
    let text = try String(contentsOf: URL(fileURLWithPath: corpusPath), encoding: .utf8)
    // A token is rarely longer than ten characters.
    let passage = Self.joinedLines(String(text.dropFirst(first).prefix(count * 10)))
    return Array(
      try Tokenizer(of: GGUFFile(path: path)).encode(passage).prefix(count))
  }

  private static func joinedLines(_ text: String) -> String {
    text.components(separatedBy: "\n\n").map { $0.replacingOccurrences(of: "\n", with: " ") }
      .joined(separator: "\n\n")
  }
}
