/// ROUGE-L of summaries (Lin 2004), as the Python package rouge 1.0.1 computes it, which LongBench uses.
///
/// Sentences end at full stops; words are what white space separates. A reference sentence's words that are in a longest
/// common subsequence with any answer sentence are found; with the sets F of found words, R of the reference's and A of
/// the answer's (each different word counts once), recall is |F| / |R|, precision |F| / |A|, and the score their F1.
enum SummaryMatch {
  static func rougeL(_ answer: String, _ expected: String) -> Double {
    let answers = sentences(of: answer)
    let references = sentences(of: expected)
    guard !answers.isEmpty, !references.isEmpty else { return 0 }
    var found: Set<String> = []
    for reference in references {
      for answer in answers { found.formUnion(commonWords(reference, answer)) }
    }
    let recall = Double(found.count) / Double(Set(references.joined()).count)
    let precision = Double(found.count) / Double(Set(answers.joined()).count)
    return 2 * (precision * recall / (precision + recall + 1e-8))
  }

  /// The words between full stops. A stretch of white space is a sentence of one empty word, no characters are none.
  private static func sentences(of text: String) -> [[String]] {
    text.unicodeScalars.split(separator: ".").map { sentence in
      let words = sentence.split(whereSeparator: WordMatch.isSpace)
      return words.isEmpty ? [""] : words.map { String(String.UnicodeScalarView($0)) }
    }
  }

  /// The words of one longest common subsequence: the one that walking back from the ends finds, which goes on in the
  /// reference unless the answer's rest is as good.
  private static func commonWords(_ reference: [String], _ answer: [String]) -> [String] {
    let width = answer.count + 1
    var lengths = [Int](repeating: 0, count: (reference.count + 1) * width)
    for (i, word) in reference.enumerated() {
      for (j, other) in answer.enumerated() {
        lengths[(i + 1) * width + j + 1] =
          word == other
          ? lengths[i * width + j] + 1
          : max(lengths[i * width + j + 1], lengths[(i + 1) * width + j])
      }
    }
    var words: [String] = []
    var (i, j) = (reference.count, answer.count)
    while i > 0 && j > 0 {
      if reference[i - 1] == answer[j - 1] {
        words.append(reference[i - 1])
        (i, j) = (i - 1, j - 1)
      } else if lengths[(i - 1) * width + j] > lengths[i * width + j - 1] {
        i -= 1
      } else {
        j -= 1
      }
    }
    return words
  }
}
