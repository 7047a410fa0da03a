import Foundation
import GGUF
import LabTestSupport
import Tokenization

extension LocalModel {
  /// The first `count` tokens of a shipped corpus from a character on, single line ends joined to spaces.
  static func tokens(_ count: Int, of corpus: String, fromCharacter first: Int) throws -> [Int32] {
    let path = GoldenFiles.path("../../experiments/corpora/\(corpus).txt")
    let text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
    // A token is rarely longer than ten characters.
    let passage = joinedLines(String(text.dropFirst(first).prefix(count * 10)))
    return Array(try tokenizer().encode(passage).prefix(count))
  }

  static func tokenizer() throws -> Tokenizer {
    let file = try GGUFFile(path: path)
    return try Tokenizer(
      Vocabulary(
        tokens: file.strings("tokenizer.ggml.tokens"),
        tokenTypes: file.integers("tokenizer.ggml.token_type"),
        merges: file.strings("tokenizer.ggml.merges"),
        preTokenizer: file.string("tokenizer.ggml.pre"),
        bosToken: file.integer(ifPresent: "tokenizer.ggml.bos_token_id"),
        eosToken: file.integer(ifPresent: "tokenizer.ggml.eos_token_id"),
        addsBOS: file.boolean(ifPresent: "tokenizer.ggml.add_bos_token") ?? false))
  }

  private static func joinedLines(_ text: String) -> String {
    text.components(separatedBy: "\n\n").map { $0.replacingOccurrences(of: "\n", with: " ") }
      .joined(separator: "\n\n")
  }
}
