/// Recognises the format of a chat template by the marks in its literals.
///
/// Each format needs its marks where they belong, and refuses what would change a lone user turn in
/// a way that is not known here.
struct ChatMarks {
  struct Recognised {
    var format: ChatTemplate.Format
    var before: String
    var after: String
    /// Whether white space around the user's words is removed.
    var trims: Bool
  }

  private let literals: [JinjaLiterals.Literal]
  private let ofGenerationPrompt: ArraySlice<JinjaLiterals.Literal>
  private let writesDay: Bool
  private let today: String

  init(_ literals: JinjaLiterals, of template: String, today: String) {
    self.literals = literals.all
    ofGenerationPrompt = literals.ofGenerationPrompt
    writesDay = template.contains("strftime_now")
    self.today = today
  }

  var recognised: Recognised? {
    guard !writesStraySpace else { return nil }
    if has("<|start_header_id|>") { return llama3 }
    guard isPlain else { return nil }
    if has("<|im_start|>") { return chatML }
    if has("<start_of_turn>") { return gemma }
    if has(Self.deepSeekUser) { return deepSeek }
    return has("[INST]") ? mistral : nil
  }

  /// False where a text with spaces waits in a variable, such as a default system prompt, or where
  /// the day is written: whether and where is not known here.
  private var isPlain: Bool {
    !writesDay && !literals.contains { $0.isAssigned && $0.text.contains(" ") }
  }

  /// True where the marks stand in tags and white space between them is written too: how much of it
  /// depends on the way that the program takes.
  private var writesStraySpace: Bool {
    let between = literals.filter(\.code.isEmpty)
    return !between.isEmpty && between.allSatisfy { $0.text.allSatisfy(\.isWhitespace) }
  }

  private var trimsAnywhere: Bool { literals.contains(where: \.isTrimming) }

  private func has(_ mark: String) -> Bool { literals.contains { $0.text.contains(mark) } }

  private func first(_ prefix: String) -> String? {
    literals.first { $0.text.hasPrefix(prefix) }?.text
  }

  /// The beginning of an answer.
  private func generationPrompt(_ mark: String) -> String? {
    ofGenerationPrompt.first { $0.text.hasPrefix(mark) }?.text
  }

  /// The system turn that the template adds by itself, empty if it adds none; nil if one is put
  /// together from parts.
  private func defaultSystem(_ begin: String, _ end: String) -> String? {
    let turns = Set(literals.map(\.text).filter { $0.hasPrefix(begin) && $0 != begin })
    guard let turn = turns.first else { return "" }
    return turns.count == 1 && turn.hasSuffix(end) ? turn : nil
  }

  // MARK: Formats

  private var chatML: Recognised? {
    let start = "<|im_start|>"
    let end = "<|im_end|>"
    let others = literals.map {
      $0.text.replacing(start, with: "").replacing(end, with: "")
    }
    guard !others.contains(where: { $0.contains("<|im_") }), has(end),
      let answer = generationPrompt(start + "assistant\n"),
      let system = defaultSystem(start + "system\n", end + "\n")
    else { return nil }
    return Recognised(
      format: .chatML, before: "\(system)\(start)user\n", after: "\(end)\n\(answer)",
      trims: trimsAnywhere)
  }

  private var gemma: Recognised? {
    let end = "<end_of_turn>\n"
    guard has(end), let answer = generationPrompt("<start_of_turn>model\n") else { return nil }
    return Recognised(
      format: .gemma, before: "<start_of_turn>user\n", after: end + answer, trims: trimsAnywhere)
  }

  private static let deepSeekUser = "<\u{FF5C}User\u{FF5C}>"

  private var deepSeek: Recognised? {
    guard let user = literals.first(where: { $0.text == Self.deepSeekUser }),
      let answer = generationPrompt("<\u{FF5C}Assistant\u{FF5C}>")
    else { return nil }
    return Recognised(
      format: .deepSeek, before: user.text, after: answer, trims: user.isTrimming)
  }

  /// The last of each mark: earlier ones belong to a turn with a system prompt.
  private var mistral: Recognised? {
    guard
      let before = literals.last(where: { ["[INST]", "[INST] ", " [INST] "].contains($0.text) }),
      let after = literals.last(where: { ["[/INST]", " [/INST]"].contains($0.text) })
    else { return nil }
    return Recognised(
      format: .mistral, before: before.text, after: after.text, trims: after.isTrimming)
  }

  private var llama3: Recognised? {
    let end = "<|eot_id|>"
    guard has(end), let answer = generationPrompt(Self.llama3Header("assistant")),
      let system = llama3System(end)
    else { return nil }
    return Recognised(
      format: .llama3, before: system + Self.llama3Header("user"), after: end + answer,
      trims: trimsAnywhere)
  }

  private static func llama3Header(_ role: String) -> String {
    "<|start_header_id|>\(role)<|end_header_id|>\n\n"
  }

  /// Llama 3.1 and later begin with a system turn that says what day it is: one that stands in the
  /// template, or today's.
  private func llama3System(_ end: String) -> String? {
    let header = Self.llama3Header("system")
    let isWritten = literals.contains { $0.text == header }
    guard let cutting = first("Cutting Knowledge Date: ") else {
      return isPlain && !isWritten ? defaultSystem(header, end) : nil
    }
    guard isWritten, let line = first("Today Date: ") else { return nil }
    if line != "Today Date: " { return header + cutting + line + end }
    let written = literals.first { $0.isAssigned && $0.text.contains(/^\d\d \w{3} \d{4}$/) }
    guard let day = writesDay ? today : written?.text else { return nil }
    return "\(header)\(cutting)\(line)\(day)\n\n\(end)"
  }
}
