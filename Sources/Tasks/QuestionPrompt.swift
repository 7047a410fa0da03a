import Tokenization

/// A prompt in two parts: what a selection may see, and the question with the beginning of its
/// answer.
struct QuestionPrompt: Hashable {
  /// Everything before the question.
  var text: String
  var question: String

  /// The tokens of both as one text.
  func tokens(_ tokenizer: Tokenizer) -> [Int32] { tokenizer.encode(text + question) }

  /// How many of the last tokens hold the question: the token in which it begins is one of them.
  func questionTokens(in tokens: [Int32], _ tokenizer: Tokenizer) -> Int {
    let pieces = tokenizer.pieces(of: tokens)
    var bytes = tokenizer.pieces(of: tokenizer.encode(question, addsBOS: false))
      .reduce(0) { $0 + $1.count }
    var count = 0
    while bytes > 0, count < tokens.count {
      count += 1
      bytes -= pieces[tokens.count - count].count
    }
    return count
  }
}

extension TaskSample {
  /// A sample whose question is decoded after the prompt unless the task is query-aware.
  ///
  /// - Parameters:
  ///   - tokens: of prompt and question, at least one.
  ///   - questionTokens: how many of them, at the end, are the question. Where all are, the first
  ///     is the prompt all the same: a pass begins with a prefill.
  init(index: Int, place: Double, tokens: [Int32], questionTokens: Int, queryAware: Bool) {
    let late = queryAware ? 0 : min(questionTokens, tokens.count - 1)
    self.init(index: index, place: place, prompt: Array(tokens.dropLast(late)))
    lateTokens = Array(tokens.suffix(late))
  }
}
