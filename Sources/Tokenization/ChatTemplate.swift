import Foundation

/// The form in which a chat model expects a user's turn.
///
/// GGUF files carry it as a Jinja program (`tokenizer.chat_template`). Nothing is run here: the
/// ``Format`` is recognised by the marks in the program's literals, and what varies inside a format
/// (a default system prompt, spaces around marks, how an answer begins) is read from them. For one
/// user turn the text is what the program would write, without a BOS token at its beginning.
public struct ChatTemplate: Sendable, Hashable {
  public enum Format: String, Sendable, Hashable, CaseIterable {
    /// `<|im_start|>user`; SmolLM2, Qwen 2, 2.5 and 3, and many others.
    case chatML = "chatml"
    /// `<|start_header_id|>user<|end_header_id|>`; Llama 3 to 3.3.
    case llama3 = "llama-3"
    /// `<start_of_turn>user`; Gemma to Gemma 3.
    case gemma
    /// `[INST]`; Mistral and Llama 2.
    case mistral
    /// `<｜User｜>`; DeepSeek and its distilled models.
    case deepSeek = "deepseek"
  }

  public let format: Format
  /// True where the template writes the BOS token first, whatever the vocabulary asks for.
  public let beginsWithBOS: Bool
  /// What comes before the user's words, a default system prompt included.
  let before: String
  /// What comes after them: the end of the turn and the beginning of the answer.
  let after: String
  private let trims: Bool

  /// - Parameters:
  ///   - template: the Jinja program; nil where the model has none.
  ///   - today: such as "26 Jul 2024", for templates that write the day's date (Llama 3.2).
  /// - Throws: `unsupported` for a template of no known format, for one whose default system prompt
  ///   cannot be read off, and for none.
  public init(
    template: String?, today: String = Self.day(of: Date())
  ) throws(TokenizationError) {
    guard let template else {
      throw TokenizationError(
        .unsupported, "the model has no chat template (tokenizer.chat_template)")
    }
    let literals = JinjaLiterals(template)
    guard let found = ChatMarks(literals, of: template, today: today).recognised else {
      let known = Format.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw TokenizationError(
        .unsupported,
        """
        the chat template \(quoted(template)) (tokenizer.chat_template) is of no known format, or \
        of one with parts that are not known; known are \(known)
        """)
    }
    format = found.format
    before = found.before
    after = found.after
    trims = found.trims
    beginsWithBOS = template.contains("bos_token")
  }

  /// One user turn and the beginning of the answer, special tokens as literal text, without BOS.
  public func render(user: String) -> String {
    before + (trims ? Self.trimmed(user) : user) + after
  }

  /// A day as templates write it: "26 Jul 2024".
  public static func day(of date: Date) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "dd MMM yyyy"
    return formatter.string(from: date)
  }

  /// Without white space at both ends, as Python has it.
  private static func trimmed(_ text: String) -> String {
    let isSpace = { (scalar: Unicode.Scalar) in
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    var scalars = text.unicodeScalars[...].drop(while: isSpace)
    while let last = scalars.last, isSpace(last) { scalars.removeLast() }
    return String(String.UnicodeScalarView(scalars))
  }
}

extension Tokenizer {
  /// The ids of one user turn in the form that a chat model expects: the BOS token first where the
  /// vocabulary or the template asks for one.
  public func encode(user: String, as template: ChatTemplate) -> [Int32] {
    encode(
      template.render(user: user), addsBOS: vocabulary.addsBOS || template.beginsWithBOS)
  }
}
