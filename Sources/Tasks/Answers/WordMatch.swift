/// Scores of a short answer against a right one, by words: SQuAD's normalisation and F1 (Rajpurkar
/// et al. 2016, arXiv 1606.05250), as LongBench computes them.
enum WordMatch {
  /// The words of a text in lower case, without ASCII punctuation and articles.
  static func words(of text: PythonText) -> [PythonText] {
    let articles: Set<PythonText> = ["a", "an", "the"]
    return text.lowercased.filter { !PythonText.isPunctuation($0) }.words.flatMap { word in
      // An article is a whole run of letters and digits; what it touches stays apart.
      word.runs.split(whereSeparator: articles.contains).map { runs in
        runs.dropFirst().reduce(runs[runs.startIndex], +)
      }
    }
  }

  /// The harmonic mean of precision and recall of the words, each counted as often as both have it;
  /// 0 where they share none.
  static func f1(_ answer: PythonText, _ expected: PythonText) -> Double {
    let answer = words(of: answer)
    let expected = words(of: expected)
    var left = Dictionary(expected.map { ($0, 1) }, uniquingKeysWith: +)
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
  static func isExact(_ answer: PythonText, _ expected: PythonText) -> Bool {
    words(of: answer) == words(of: expected)
  }
}
