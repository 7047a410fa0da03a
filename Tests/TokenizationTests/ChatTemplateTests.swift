import Testing

@testable import Tokenization

@Suite("Chat template")
struct ChatTemplateTests {
  /// As in the GGUF file of SmolLM2-135M-Instruct.
  static let smolLM2 = """
    {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
    You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
    ' }}{% endif %}{{'<|im_start|>' + message['role'] + '
    ' + message['content'] + '<|im_end|>' + '
    '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
    ' }}{% endif %}
    """
  static let plain = """
    {% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
    """

  @Test("SmolLM2's template says its default system prompt first")
  func smolLM() throws {
    let template = try ChatTemplate(template: Self.smolLM2)
    #expect(
      template.render(user: "What is the capital of France?") == """
        <|im_start|>system
        You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
        <|im_start|>user
        What is the capital of France?<|im_end|>
        <|im_start|>assistant

        """)
  }

  @Test("Plain ChatML has no system prompt; line feeds may be escapes")
  func chatML() throws {
    let template = try ChatTemplate(template: Self.plain + "\n")
    #expect(template.defaultSystemPrompt == nil)
    #expect(
      template.render(user: "Hi") == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
  }

  @Test("Any other template, and none, is refused")
  func unknown() {
    let others = [
      "", "{{ bos_token }}{% for message in messages %}[INST]{% endfor %}",
      Self.smolLM2.replacing("'system' %}", with: "'tool' %}"),
      Self.smolLM2.replacing("You are a", with: "You' + date + 'are a"), Self.smolLM2 + Self.plain,
    ]
    for other in others {
      #expect(throws: TokenizationError.self) { try ChatTemplate(template: other) }
    }
    #expect {
      try ChatTemplate(template: "{{ x }}")
    } throws: {
      "\($0)"
        == "the chat template \"{{ x }}\" is not known; known is ChatML, as SmolLM2 has it; use the model without chat"
    }
    #expect {
      try ChatTemplate(template: nil)
    } throws: {
      "\($0)"
        == "the model has no chat template (tokenizer.chat_template); use it without chat"
    }
  }
}
