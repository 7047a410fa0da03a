import GGUF
import Tokenization

extension Vocabulary {
  /// The vocabulary in a GGUF file's metadata.
  ///
  /// Throws `GGUFError` for metadata that is missing or of another type, `TokenizationError` for what is there and
  /// contradicts itself or is unknown.
  init(of file: GGUFFile) throws {
    let model = try file.string("tokenizer.ggml.model")
    guard model == "gpt2" else {
      throw TokenizationError(
        .unsupported,
        "the tokenizer model is \"\(model)\" (tokenizer.ggml.model); supported is \"gpt2\" (byte-level BPE)",
        file: file.name)
    }
    do {
      try self.init(
        tokens: file.strings("tokenizer.ggml.tokens"),
        tokenTypes: file.integers("tokenizer.ggml.token_type"),
        merges: file.strings("tokenizer.ggml.merges"),
        preTokenizer: file.string("tokenizer.ggml.pre"),
        bosToken: file.integer(ifPresent: "tokenizer.ggml.bos_token_id"),
        eosToken: file.integer(ifPresent: "tokenizer.ggml.eos_token_id"),
        addsBOS: file.boolean(ifPresent: "tokenizer.ggml.add_bos_token") ?? false)
    } catch var error as TokenizationError {
      error.file = file.name
      throw error
    }
  }
}
