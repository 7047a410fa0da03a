import Tokenization

/// A document with a question after it, cut in the middle where it is too long.
struct DocumentPrompt {
  let tokens: [Int32]
  /// How many of them, at the end, come after the document.
  let questionTokens: Int

  /// False where the cut took a part of the question.
  let isQuestionWhole: Bool

  /// - Parameter room: the most tokens that the prompt may have, at least 2. Of a longer one the
  ///   first and the last room/2 stay as they are: the question, at the end, is whole if it fits a
  ///   half.
  init(_ prompt: QuestionPrompt, tokenizer: Tokenizer, room: Int) {
    precondition(room >= 2, "DocumentPrompt: a room of \(room) tokens")
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
}

extension String {
  /// A template's prompt: the document in place of `{context}`, and a value in every place of its
  /// own after it. A value may hold braces.
  func filled(context: String, _ place: String, with value: String) -> QuestionPrompt {
    let parts = pieces(around: "{context}").map {
      $0.pieces(around: place).joined(separator: value)
    }
    return QuestionPrompt(text: parts[0] + context, question: parts.dropFirst().joined())
  }

  /// What stands before, between and after the places of a part, found scalar by scalar: a
  /// combining mark after the part hides none.
  func pieces(around part: String) -> [String] {
    unicodeScalars.split(separator: part.unicodeScalars, omittingEmptySubsequences: false)
      .map { String($0) }
  }
}
