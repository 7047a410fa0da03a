/// The scores of LongBench, each of an answer against one right one, in 0…1 (metrics.py of
/// THUDM/LongBench).
enum BenchmarkMetric: Hashable {
  /// F1 of the words.
  case f1
  case rougeL
  /// 1 over the number of classes that the answer names, if the right one is among them; a class
  /// whose name is part of the right one's doesn't count.
  case classification
  /// The share of the numbers in the answer that are the right one.
  case count
  /// The same, with the number after `Paragraph` in the right answer.
  case retrieval
  /// Similarity of the first line that is neither a comment nor a fence.
  case code

  /// - Parameter classes: every class of the data set, for classification.
  func score(
    _ answer: PythonText, _ expected: PythonText, classes: [PythonText]
  ) -> Double {
    switch self {
    case .f1: return WordMatch.f1(answer, expected)
    case .rougeL: return SummaryMatch.rougeL(answer, expected)
    case .classification: return Self.classification(answer, expected, classes)
    case .count: return Self.share(of: expected, in: answer)
    case .retrieval:
      guard let number = Self.paragraph(in: expected) else { return 0 }
      return Self.share(of: number, in: answer)
    case .code: return TextSimilarity.ratio(Self.firstCodeLine(of: answer), expected)
    }
  }

  /// What the first match of `Paragraph (\d+)` captures.
  private static func paragraph(in expected: PythonText) -> PythonText? {
    expected.split("Paragraph ").dropFirst().lazy.map(\.leadingDigits).first { !$0.isEmpty }
  }

  private static func share(of number: PythonText, in answer: PythonText) -> Double {
    let numbers = answer.numbers
    guard !numbers.isEmpty else { return 0 }
    return Double(numbers.count { $0 == number }) / Double(numbers.count)
  }

  private static func classification(
    _ answer: PythonText, _ expected: PythonText, _ classes: [PythonText]
  ) -> Double {
    var named = classes.filter { answer.contains($0) }
    // The source removes elements from the list that it walks over, so it passes by the one after
    // each.
    var index = 0
    while index < named.count {
      let name = named[index]
      if expected.contains(name), name != expected, let first = named.firstIndex(of: name) {
        named.remove(at: first)
      }
      index += 1
    }
    return named.contains(expected) ? 1 / Double(named.count) : 0
  }

  private static func firstCodeLine(of answer: PythonText) -> PythonText {
    let marks: [PythonText] = ["`", "#", "//"]
    return answer.split("\n").drop { $0.isEmpty }
      .first { line in !marks.contains { line.contains($0) } } ?? ""
  }
}
