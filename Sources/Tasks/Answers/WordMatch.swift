/// Scores of a short answer against a right one, by words: SQuAD's normalisation and F1 (Rajpurkar et al. 2016, arXiv
/// 1606.05250), as LongBench computes them.
enum WordMatch {
  /// The words of a text in small letters, without ASCII punctuation and articles.
  static func words(of text: String) -> [String] {
    var kept = String.UnicodeScalarView()
    for scalar in text.lowercased().unicodeScalars where !isPunctuation(scalar) {
      kept.append(scalar)
    }
    // An article is a whole run of letters and digits; what it touches stays apart.
    var words: [String] = []
    for chunk in kept.split(whereSeparator: isSpace) {
      var rest = chunk
      var pieces = [String.UnicodeScalarView()]
      while let first = rest.first {
        let run = rest.prefix { isWordPart($0) == isWordPart(first) }
        rest = rest.dropFirst(run.count)
        if ["a", "an", "the"].contains(String(String.UnicodeScalarView(run))) {
          pieces.append(String.UnicodeScalarView())
        } else {
          pieces[pieces.count - 1] += run
        }
      }
      words += pieces.filter { !$0.isEmpty }.map { String($0) }
    }
    return words
  }

  /// The harmonic mean of precision and recall of the words, each counted as often as both have it; 0 where they share
  /// none.
  static func f1(_ answer: String, _ expected: String) -> Double {
    let answer = words(of: answer)
    let expected = words(of: expected)
    var left: [String: Int] = [:]
    for word in expected { left[word, default: 0] += 1 }
    var shared = 0
    for word in answer {
      guard let count = left[word], count > 0 else { continue }
      left[word] = count - 1
      shared += 1
    }
    guard shared > 0 else { return 0 }
    let precision = Double(shared) / Double(answer.count)
    let recall = Double(shared) / Double(expected.count)
    return 2 * precision * recall / (precision + recall)
  }

  /// True where both have the same words in the same order.
  static func isExact(_ answer: String, _ expected: String) -> Bool {
    words(of: answer) == words(of: expected)
  }

  /// White space as Python's `split` has it: the information separators are part of it.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || 0x1C...0x1F ~= scalar.value
  }

  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII
      && (0x21...0x2F ~= scalar.value || 0x3A...0x40 ~= scalar.value
        || 0x5B...0x60 ~= scalar.value || 0x7B...0x7E ~= scalar.value)
  }

  /// Letters, numbers and marks that belong to a word as regular expressions have it.
  private static func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: scalar == "_"
    }
  }
}
