/// ROUGE-L of summaries (Lin 2004), as the Python package rouge 1.0.1 computes it, which LongBench
/// uses.
///
/// Sentences end at full stops, words at white space. The words of a reference sentence that are in
/// a longest common subsequence with any answer sentence are found. With F the set of found words,
/// R of the reference's and A of the answer's, recall is |F| / |R|, precision |F| / |A|, and the
/// score their F1.
enum SummaryMatch {
  static func rougeL(_ answer: PythonText, _ expected: PythonText) -> Double {
    let answers = sentences(of: answer)
    let references = sentences(of: expected)
    guard !answers.isEmpty, !references.isEmpty else { return 0 }
    var found: Set<PythonText> = []
    for reference in references {
      for answer in answers { found.formUnion(commonWords(reference, answer)) }
    }
    let recall = Double(found.count) / Double(Set(references.joined()).count)
    let precision = Double(found.count) / Double(Set(answers.joined()).count)
    return 2 * (precision * recall / (precision + recall + 1e-8))
  }

  /// The words between full stops. Nothing between two is no sentence, white space alone one of an
  /// empty word.
  private static func sentences(of text: PythonText) -> [[PythonText]] {
    text.split(".").filter { !$0.isEmpty }.map { sentence in
      let words = sentence.words
      return words.isEmpty ? [""] : words
    }
  }

  /// The words of a longest common subsequence: of several, the one found by walking back from both
  /// ends, a step in the answer unless only a step in the reference keeps the length.
  private static func commonWords(
    _ reference: [PythonText], _ answer: [PythonText]
  ) -> [PythonText] {
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
    var words: [PythonText] = []
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
