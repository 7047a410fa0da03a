import GGUF
import Tokenization

extension Vocabulary {
  /// The vocabulary of a GGUF file: the keys under `tokenizer.ggml`.
  ///
  /// - Throws: a `GGUFError` for missing keys and keys of another type; a `TokenizationError`, with the file's name, for
  ///   a tokenizer that is no byte-level BPE, and for a damaged vocabulary.
  public init(of file: GGUFFile) throws {
    let model = try file.string("tokenizer.ggml.model")
    guard model == "gpt2" else {
      throw TokenizationError(
        .unsupported,
        "the tokenizer \"\(model)\" (tokenizer.ggml.model) is not known; known is \"gpt2\", byte-level byte-pair encoding",
        file: file.name)
    }
    let tokens = try file.strings("tokenizer.ggml.tokens")
    do {
      try self.init(
        tokens: tokens,
        // Without types all tokens are normal ones.
        tokenTypes: try file.integers(ifPresent: "tokenizer.ggml.token_type")
          ?? Array(repeating: TokenType.normal.rawValue, count: tokens.count),
        merges: try file.strings("tokenizer.ggml.merges"),
        preTokenizer: try file.string("tokenizer.ggml.pre"),
        bosToken: try file.integer(ifPresent: "tokenizer.ggml.bos_token_id"),
        eosToken: try file.integer(ifPresent: "tokenizer.ggml.eos_token_id"),
        addsBOS: try file.boolean(ifPresent: "tokenizer.ggml.add_bos_token") ?? false)
    } catch var error as TokenizationError {
      error.file = file.name
      throw error
    }
  }
}

extension Tokenizer {
  /// The tokenizer of a GGUF file; throws as `Vocabulary(of:)` and `Tokenizer(_:)` do, with the file's name.
  public init(of file: GGUFFile) throws {
    do {
      try self.init(Vocabulary(of: file))
    } catch var error as TokenizationError {
      error.file = file.name
      throw error
    }
  }
}
