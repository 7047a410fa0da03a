/// The scores of LongBench, each of an answer against one right one, in 0…1 (metrics.py of THUDM/LongBench).
enum BenchmarkMetric: Hashable {
  /// F1 of the words.
  case f1
  case rougeL
  /// The class is named, as a share of the classes named; a class whose name is part of the right one doesn't count.
  case classification
  /// The share of the numbers written that are the right one.
  case count
  /// The same with the number after `Paragraph` in what is expected.
  case retrieval
  /// Similarity of the first line that is no comment or fence.
  case code

  /// - Parameter classes: every class that there is, for classification.
  func score(_ answer: String, _ expected: String, classes: [String]) -> Double {
    switch self {
    case .f1: return WordMatch.f1(answer, expected)
    case .rougeL: return SummaryMatch.rougeL(answer, expected)
    case .classification: return Self.classification(answer, expected, classes)
    case .count: return Self.share(of: expected, in: answer)
    case .retrieval:
      guard let found = expected.firstRange(of: "Paragraph "),
        let number = Self.numbers(in: String(expected[found.upperBound...])).first
      else { return 0 }
      return Self.share(of: number, in: answer)
    case .code: return TextSimilarity.ratio(Self.firstCodeLine(of: answer), expected)
    }
  }

  private static func numbers(in text: String) -> [String] {
    text.unicodeScalars.split { $0.properties.generalCategory != .decimalNumber }
      .map { String(String.UnicodeScalarView($0)) }
  }

  private static func share(of number: String, in answer: String) -> Double {
    let numbers = numbers(in: answer)
    guard !numbers.isEmpty else { return 0 }
    return Double(numbers.count { $0 == number }) / Double(numbers.count)
  }

  private static func classification(
    _ answer: String, _ expected: String, _ classes: [String]
  ) -> Double {
    var named = classes.filter { answer.holds($0) }
    // The source takes elements out of the list that it walks over, so that the one after each is passed by.
    var index = 0
    while index < named.count {
      let name = named[index]
      if expected.holds(name), name != expected, let first = named.firstIndex(of: name) {
        named.remove(at: first)
      }
      index += 1
    }
    return named.contains(expected) ? 1 / Double(named.count) : 0
  }

  private static func firstCodeLine(of answer: String) -> String {
    answer.lines.drop { $0.isEmpty }
      .first { !$0.holds("`") && !$0.holds("#") && !$0.holds("//") } ?? ""
  }
}

/// Texts as Python sees them: characters are Unicode scalars, and a line ends at a line feed.
extension String {
  /// The stretches between line feeds; at least one.
  var lines: [String] {
    unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
      .map { String(String.UnicodeScalarView($0)) }
  }

  /// The first line that is not empty.
  var firstLine: String { lines.first { !$0.isEmpty } ?? "" }

  /// True where the part stands in the text, byte by byte; an empty one always does.
  func holds(_ part: String) -> Bool { utf8.contains(part.utf8) }
}
