import Foundation
import LabTestSupport
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
    #expect(template.format == .chatML && !template.beginsWithBOS)
  }

  private struct Stored: Decodable {
    struct Case: Decodable {
      var name: String
      var template: String
      var user: String
      var text: String
    }

    var cases: [Case]
  }

  @Test("A user turn is what transformers makes of the template, BOS aside")
  func golden() throws {
    let stored = try JSONDecoder().decode(
      Stored.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("chat-templates.json"))))
    var formats: Set<ChatTemplate.Format> = []
    for item in stored.cases {
      let template = try ChatTemplate(template: item.template)
      formats.insert(template.format)
      #expect(item.name.hasPrefix(template.format.rawValue))
      let text = (template.beginsWithBOS ? "<s>" : "") + template.render(user: item.user)
      #expect(
        text.utf8.elementsEqual(item.text.utf8), "\(item.name): \(item.user.debugDescription)")
    }
    #expect(formats == Set(ChatTemplate.Format.allCases) && stored.cases.count > 60)
  }

  @Test("Blocks indented within each other write no white space", arguments: ["\n", "\r\n"])
  func indented(lineEnd: String) throws {
    let lines = [
      "{% if messages %}", "  {% for message in messages %}",
      #"    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"#,
      "  {% endfor %}", "{% endif %}", "{% if add_generation_prompt %}",
      #"  {{- '<|im_start|>assistant\n' -}}"#, "{% endif %}", "",
    ]
    let template = try ChatTemplate(template: lines.joined(separator: lineEnd))
    // As jinja2 3.1.6 renders it.
    #expect(
      template.render(user: "Hi")
        == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
  }

  /// As Llama 3.2 writes it.
  private let dated = """
    {{- bos_token }}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}
    {%- set date_string = "26 Jul 2024" %}{%- endif %}
    {{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
    {{- "Cutting Knowledge Date: December 2023\\n" }}
    {{- "Today Date: " + date_string + "\\n\\n" }}{{- "<|eot_id|>" }}
    {%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}{%- endfor %}
    {%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
    """

  @Test("A template that writes the day gets it; one that stands there stays")
  func day() throws {
    let begin =
      "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    let end = "\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    let answer = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    let template = try ChatTemplate(template: dated, today: "01 May 2026")
    #expect(
      template.render(user: " Hi ") == "\(begin)Today Date: 01 May 2026\(end)\(answer)")
    let plain = try ChatTemplate(
      template: dated.replacing("strftime_now", with: "now"), today: "01 May 2026")
    #expect(plain.render(user: "Hi") == "\(begin)Today Date: 26 Jul 2024\(end)\(answer)")
    #expect(ChatTemplate.day(of: Date(timeIntervalSince1970: 1_722_000_000)) == "26 Jul 2024")
  }

  @Test("The BOS token comes once, where template or vocabulary asks for it")
  func bos() throws {
    let plain = try ChatTemplate(template: Self.smolLM2)
    let withBOS = try ChatTemplate(template: "{{ bos_token }}" + Self.smolLM2)
    for addsBOS in [true, false] {
      let tokenizer = try Tokenizer(
        try TestVocabulary.make(merges: ["a b"], bosToken: 260, addsBOS: addsBOS))
      for template in [plain, withBOS] {
        let text = tokenizer.encode(template.render(user: "ab"), addsBOS: false)
        let start: [Int32] = addsBOS || template.beginsWithBOS ? [260] : []
        #expect(tokenizer.encode(user: "ab", as: template) == start + text)
      }
    }
  }

  @Test(
    "What would change a lone user turn in an unknown way is refused",
    arguments: [
      "", "{{ x }}", "{% for m in messages %}{{ m.content }}{% endfor %}", "{{ '<|im_start|>'",
      // A system prompt put together from parts, and one that waits in a variable.
      smolLM2.replacing("You are a", with: "You' + date + 'are a"),
      "{% set prompt = 'You are a test.' %}" + smolLM2,
      "{{ strftime_now('%d') }}" + smolLM2,
      // Another mark between role and content.
      smolLM2.replacing("message['role'] + '", with: "message['role'] + '<|im_sep|>"),
      // White space that the program writes on some of its ways.
      smolLM2.replacing("{% endfor %}", with: "\n\n{% endfor %}"),
      // No beginning of an answer.
      smolLM2.replacing("<|im_start|>assistant", with: "assistant"),
      "{{ '<start_of_turn>user' }}{{ '<end_of_turn>\\n' }}",
      "{{ '<|start_header_id|>user' }}", "{{ '[INST] ' }}", "{{ '<\u{FF5C}User\u{FF5C}>' }}",
    ])
  func unknown(template: String) {
    #expect(throws: TokenizationError.self) { try ChatTemplate(template: template) }
  }

  @Test("The refusal names the template, its key and the known formats")
  func messages() {
    #expect {
      try ChatTemplate(template: "{{ x }}")
    } throws: {
      "\($0)"
        == "the chat template \"{{ x }}\" (tokenizer.chat_template) is of no known format, or of one with parts that are not known; known are \"chatml\", \"llama-3\", \"gemma\", \"mistral\", \"deepseek\""
    }
    #expect {
      try ChatTemplate(template: nil)
    } throws: { "\($0)" == "the model has no chat template (tokenizer.chat_template)" }
  }
}

@Suite("Jinja literals")
struct JinjaLiteralsTests {
  private func texts(_ template: String) -> [String] { JinjaLiterals(template).all.map(\.text) }

  @Test("Strings of tags and the text between come in order, escapes resolved")
  func order() {
    #expect(
      texts(#"a{{ 'b\n' + "c'\t\"" }}d{% if x == 'e\\n\x' %}f{# 'g' #}h"#)
        == ["a", "b\n", "c'\t\"", "d", "e\\n\\x", "f", "h"])
  }

  @Test("White space is left out as Jinja does with trim_blocks and lstrip_blocks")
  func whiteSpace() {
    #expect(texts("a  {%- x -%}\n  b") == ["a", "b"])
    #expect(texts("a\n  {% x %}\n  b\n") == ["a\n", "  b"])
    #expect(texts("a  {% x %}\n\nb") == ["a  ", "\nb"])
    #expect(texts("  {{ x }}\nb") == ["  ", "\nb"])
    #expect(texts("  {% x %}b") == ["b"])
    #expect(texts("a {#- x -#} b") == ["a", "b"])
  }

  /// What jinja2 3.1.6 takes for data.
  @Test(
    "Blanks begin a line after a line feed that was left out, too, as in jinja2",
    arguments: [
      ("{% if a %}\n  {% if b %}", []), ("{% if a %}\n\t {# c #}\n  x", ["  x"]),
      ("{% if a %}\n  {{ x }}", ["  "]), ("{% if a %}  {% if b %}", ["  "]),
      ("{{ x }}\n  {% if b %}y", ["\n", "y"]), ("{% if a %}\n\n  {% if b %}", ["\n"]),
      ("{% if a -%}\n  {% if b %}x", ["x"]), ("{% if a %}\n  x {% if b %}", ["  x "]),
      ("  {# c #}  {% if b %}", ["  "]), ("a\n\u{A0}\t{% if b %}", ["a\n"]),
      ("  {% if a %}\n  {%+ if b %}x", ["  ", "x"]), ("{% if a +%}\n  {% if b %}x", ["\n", "x"]),
      ("a\n {#+ c #}b{#- d +#}\ne", ["a\n ", "b", "\ne"]),
      ("{% if a %}\r\n  {% if b %}x\r\ny", ["x\ny"]), ("a\r{% if b %}\rc", ["a\n", "c"]),
    ] as [(String, [String])])
  func lines(template: String, data: [String]) { #expect(texts(template) == data) }

  @Test("What is assigned, trimmed and part of the generation prompt is told apart")
  func kinds() {
    let literals = JinjaLiterals(
      "{%- set a = 'x y' %}{{ 'b' + c | trim }}{{ d.strip() ~ 'e' }}{% if add_generation_prompt %}{{ 'f' }}{% endif %}"
    )
    #expect(literals.all.map(\.isAssigned) == [true, false, false, false])
    #expect(literals.all.map(\.isTrimming) == [false, true, true, false])
    #expect(literals.ofGenerationPrompt.map(\.text) == ["f"])
  }

  @Test("A template that breaks off anywhere is read to its end")
  func brokenOff() {
    let template = "a {%- set b = 'c\\n' -%} {# d #} {{ \"e\" }} {% if f %}"
    for count in 0...template.count {
      _ = JinjaLiterals(String(template.prefix(count)))
    }
    #expect(
      texts("{{ 'a") == ["a"] && texts("{") == ["{"] && texts("{#") == [] && texts("{{") == [])
    #expect(texts("{{ 'a\\") == ["a\\"])
  }
}
