import GGUF
import Tokenization

/// What a file says under `tokenizer.ggml`.
public struct TokenizerFacts: Encodable, Sendable, Hashable {
  public var model: String?
  /// The pre-tokenizer.
  public var pre: String?
  public var tokens: Int
  public var bos: Token?
  public var eos: Token?
  /// Whether the model expects its BOS token before every text; nil where that is not known.
  public var addsBOS: Bool?

  public struct Token: Encodable, Sendable, Hashable {
    public var id: Int
    /// Nil for an id beyond the vocabulary.
    public var text: String?
  }

  /// The facts, and why no tokenizer can be made of them.
  struct Reading {
    /// Nil for a file without a tokenizer.
    let facts: TokenizerFacts?
    let problems: [String]

    init(_ file: GGUFFile) {
      var addsBOS = file.metadata["tokenizer.ggml.add_bos_token"].flatMap { value in
        if case .bool(let adds) = value { adds } else { nil }
      }
      do {
        addsBOS = try Tokenizer(of: file).vocabulary.addsBOS
        problems = []
      } catch {
        problems = ["\(error)"]
      }
      facts = TokenizerFacts(file, addsBOS: addsBOS)
    }
  }
}

extension TokenizerFacts {
  fileprivate init?(_ file: GGUFFile, addsBOS: Bool?) {
    let prefix = "tokenizer.ggml."
    guard file.metadataKeys.contains(where: { $0.hasPrefix(prefix) }) else { return nil }
    let words = try? file.strings("\(prefix)tokens")
    func token(_ role: String) -> Token? {
      file.metadata["\(prefix)\(role)_token_id"]?.integer.map { id in
        Token(id: id, text: words.flatMap { $0.indices.contains(id) ? $0[id] : nil })
      }
    }
    model = file.metadata["\(prefix)model"]?.text
    pre = file.metadata["\(prefix)pre"]?.text
    tokens = words?.count ?? 0
    bos = token("bos")
    eos = token("eos")
    self.addsBOS = addsBOS
  }
}
