/// The form in which a chat model expects a user's turn.
///
/// GGUF files carry it as a Jinja program (`tokenizer.chat_template`). Nothing is run here: the
/// ChatML template, with or without a default system prompt, is recognised by its text. SmolLM2's
/// is that with "You are a helpful AI assistant named SmolLM, trained by Hugging Face".
public struct ChatTemplate: Sendable, Hashable {
  /// The system turn that the template adds where a conversation begins without one.
  public let defaultSystemPrompt: String?

  /// - Throws: `unsupported` for a template that is not ChatML, and for none.
  public init(template: String?) throws(TokenizationError) {
    guard let template else {
      throw TokenizationError(
        .unsupported,
        "the model has no chat template (tokenizer.chat_template); use it without chat")
    }
    guard let prompt = Self.defaultSystemPrompt(of: template) else {
      throw TokenizationError(
        .unsupported,
        """
        the chat template \(quoted(template)) is not known; known is ChatML, as SmolLM2 has it; \
        use the model without chat
        """)
    }
    defaultSystemPrompt = prompt.isEmpty ? nil : prompt
  }

  /// One user turn and the beginning of the answer, special tokens as literal text.
  public func render(user: String) -> String {
    let system = defaultSystemPrompt.map { Self.turn("system", $0) } ?? ""
    return system + Self.turn("user", user) + "<|im_start|>assistant\n"
  }

  private static func turn(_ role: String, _ content: String) -> String {
    "<|im_start|>\(role)\n\(content)<|im_end|>\n"
  }

  // MARK: Recognition

  private static let beginning = "{% for message in messages %}"
  private static let systemBeginning =
    "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
  private static let systemEnd = "<|im_end|>\n' }}{% endif %}"
  private static let rest =
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

  /// The default system prompt, empty if the template has none; nil if it is not ChatML.
  private static func defaultSystemPrompt(of template: String) -> String? {
    // Templates write a line feed in a literal either as itself or as an escape.
    var text = Substring(lineFeeds(of: template))
    while text.last?.isWhitespace == true { text.removeLast() }
    guard text.hasPrefix(beginning), text.hasSuffix(rest) else { return nil }
    text = text.dropFirst(beginning.count).dropLast(rest.count)
    if text.isEmpty { return "" }
    guard text.hasPrefix(systemBeginning), text.hasSuffix(systemEnd),
      text.count > systemBeginning.count + systemEnd.count
    else { return nil }
    let prompt = text.dropFirst(systemBeginning.count).dropLast(systemEnd.count)
    // A quote or an escape would need a parser of Jinja literals.
    return prompt.contains("'") || prompt.contains("\\") ? nil : String(prompt)
  }

  private static func lineFeeds(of template: String) -> String {
    var result = ""
    var isEscape = false
    for scalar in template.unicodeScalars {
      if isEscape {
        result.unicodeScalars.append(contentsOf: scalar == "n" ? ["\n"] : ["\\", scalar])
        isEscape = false
      } else if scalar == "\\" {
        isEscape = true
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return isEscape ? result + "\\" : result
  }
}
