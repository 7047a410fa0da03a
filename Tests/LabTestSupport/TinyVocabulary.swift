/// A byte-level vocabulary of 320 tokens that can encode any text: 17 special tokens with the numbers that they have
/// in SmolLM2, the 256 bytes in GPT-2's notation, and 47 merges of common English pairs.
public enum TinyVocabulary {
  public static let specialTokens = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>",
    "<filename>", "<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>",
    "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<jupyter_script>", "<empty_output>",
  ]

  /// The character that stands for each byte: itself where it is printable, else one from 256 on, in order.
  public static let byteCharacters: [Character] = byteCodes.map(character)

  private static let byteCodes: [UInt32] = {
    var next: UInt32 = 256
    return (0..<256).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return byte
      default:
        next += 1
        return next - 1
      }
    }
  }()

  private static func character(_ code: UInt32) -> Character {
    // Codes are below 0x180, where every number is a scalar; "?" is never used.
    Character(Unicode.Scalar(code) ?? "?")
  }

  /// In order of priority; each part is a byte's character or an earlier merge.
  public static let merges = [
    "Ġ t", "Ġ a", "h e", "i n", "r e", "o n", "e r", "Ġt he", "Ġ s", "a t", "Ġ o", "e n", "n d",
    "Ġ w", "i t", "o r", "e s", "i s", "Ġ h", "in g", "Ġa nd", "Ġo f", "Ġ b", "Ġt o", "o u",
    "a n", "e d", "Ġ f", "Ġ m", "Ġ p", "Ġ c", "Ġ d", "a r", "Ġ in", "l l", "Ġ n", "a s", "l e",
    "v e", "Ġ l", "Ġh e", "c h", "Ġ it", "Ġ Ġ", "ĠĠ ĠĠ", "Ċ Ċ", "k e",
  ]

  /// Special tokens, bytes by their character, merges.
  public static let tokens: [String] =
    specialTokens + byteCodes.sorted().map { String(character($0)) }
    + merges.map { $0.replacing(" ", with: "") }

  /// ggml's token types: 3 for control, 1 for normal.
  public static let tokenTypes: [Int32] =
    specialTokens.map { _ in 3 } + (specialTokens.count..<tokens.count).map { _ in 1 }

  /// The template of SmolLM2-Instruct: ChatML with a default system prompt.
  public static let chatTemplate =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    + "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    + "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    + "'<|im_end|>' + '\n'}}{% endfor %}"
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
}
