import GGUF
import Tokenization

extension Vocabulary {
  /// The vocabulary of a GGUF file: the keys under `tokenizer.ggml`.
  ///
  /// - Throws: a `GGUFError` for missing keys and keys of another type; a `TokenizationError`, with
  ///   the file's name, for a tokenizer of another kind, and for a damaged vocabulary.
  public init(of file: GGUFFile) throws {
    do {
      let kind = try Kind(of: file)
      let tokens = try file.strings("tokenizer.ggml.tokens")
      // Where a SentencePiece file is silent, its special tokens have the numbers of Llama's.
      let silent: (Int) -> Int? = { id in
        if case .sentencePiece = kind, id < tokens.count { id } else { nil }
      }
      try self.init(
        kind, tokens: tokens,
        // Without types all tokens are normal ones.
        tokenTypes: try file.integers(ifPresent: "tokenizer.ggml.token_type")
          ?? Array(repeating: TokenType.normal.rawValue, count: tokens.count),
        bosToken: try file.integer(ifPresent: "tokenizer.ggml.bos_token_id") ?? silent(1),
        eosToken: try file.integer(ifPresent: "tokenizer.ggml.eos_token_id") ?? silent(2),
        unknownToken: try file.integer(ifPresent: "tokenizer.ggml.unknown_token_id") ?? silent(0),
        addsBOS: try file.boolean(ifPresent: "tokenizer.ggml.add_bos_token"))
    } catch var error as TokenizationError {
      error.file = file.name
      throw error
    }
  }
}

extension Vocabulary.Kind {
  fileprivate init(of file: GGUFFile) throws {
    switch try file.string("tokenizer.ggml.model") {
    case "gpt2":
      self = .byteLevel(
        try PreTokenizer(named: file.string("tokenizer.ggml.pre")),
        merges: try file.strings("tokenizer.ggml.merges"))
    case "llama":
      guard let scores = try file.numbers(ifPresent: "tokenizer.ggml.scores") else {
        throw TokenizationError(
          .damaged,
          """
          the SentencePiece vocabulary has no scores (tokenizer.ggml.scores), which say what \
          merges first; convert the model anew
          """)
      }
      self = .sentencePiece(
        scores: scores.map { Float($0) },
        addsSpacePrefix: try file.boolean(ifPresent: "tokenizer.ggml.add_space_prefix") ?? true)
    case let model:
      throw TokenizationError(
        .unsupported,
        """
        the tokenizer \(GGUFValue.string(model).shortText) (tokenizer.ggml.model) is not known; known are "gpt2", \
        byte-level byte-pair encoding, and "llama", SentencePiece
        """)
    }
  }
}

extension Tokenizer {
  /// The tokenizer of a GGUF file; throws as `Vocabulary(of:)` and `Tokenizer(_:)` do, with the
  /// file's name.
  public init(of file: GGUFFile) throws {
    do {
      try self.init(Vocabulary(of: file))
    } catch var error as TokenizationError {
      error.file = file.name
      throw error
    }
  }
}
