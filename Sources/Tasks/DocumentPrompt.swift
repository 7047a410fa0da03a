import Tokenization

/// A document with a question after it, from a template, cut in the middle where it is too long.
struct DocumentPrompt {
  let tokens: [Int32]
  /// How many of them, at the end, come after the document.
  let questionTokens: Int

  /// - Parameters:
  ///   - template: with `{context}`, and the names of `values` in braces.
  ///   - room: the most tokens that the prompt may have, at least 2. Of a longer one the first and the last room/2 stay, as they
  ///     are: the question, at the end, is whole if it fits a half.
  init(
    template: String, context: String, values: [String: String], tokenizer: Tokenizer, room: Int
  ) {
    precondition(room >= 2, "DocumentPrompt: a room of \(room) tokens")
    let parts = template.split(
      separator: "{context}", maxSplits: 1, omittingEmptySubsequences: false)
    let filled = parts.map { Self.fill(String($0), values) }
    let prompt = QuestionPrompt(
      text: filled[0] + context, question: filled.count > 1 ? filled[1] : "")
    let all = prompt.tokens(tokenizer)
    let question = prompt.questionTokens(in: all, tokenizer)
    if all.count > room {
      let half = room / 2
      tokens = Array(all.prefix(half) + all.suffix(half))
      questionTokens = min(question, half)
      isQuestionWhole = question <= half
    } else {
      tokens = all
      questionTokens = question
      isQuestionWhole = true
    }
  }

  /// False where the cut took a part of the question.
  let isQuestionWhole: Bool

  /// Every `{name}` by its value, in one pass: a value may hold braces.
  private static func fill(_ template: String, _ values: [String: String]) -> String {
    var result = ""
    var rest = template[...]
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      rest = rest[open...]
      let name = values.keys.first { rest.hasPrefix("{\($0)}") }
      if let name, let value = values[name] {
        result += value
        rest = rest.dropFirst(name.count + 2)
      } else {
        result += "{"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }
}
