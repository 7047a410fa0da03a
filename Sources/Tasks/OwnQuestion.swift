import Records

/// One line of a user's own file.
struct OwnQuestion: Hashable {
  enum Metric: String, CaseIterable { case exact, contains, f1, choice }

  /// Counted from 1.
  let line: Int
  let context: String
  /// With the choices below it, where there are any.
  let text: String
  let answers: [String]
  let metric: Metric
  let choices: [String]

  static let keys: Set = ["context", "question", "answers", "metric", "choices"]

  init(_ line: JSONLine) throws(TextError) {
    self.line = line.number
    context = try line.text("context")
    let word = try line.text("metric")
    guard let metric = Metric(rawValue: word) else {
      let allowed = Metric.allCases.map(\.rawValue)
      let near = NearestWord.to(word, among: allowed).map { "; did you mean \"\($0)\"?" } ?? ""
      throw line.error(
        "\"metric\" is \"\(word)\"; allowed: \(allowed.joined(separator: ", "))\(near)")
    }
    self.metric = metric
    let question = try line.text("question")
    guard metric == .choice else {
      choices = []
      text = question
      answers = try line.texts("answers")
      if let empty = answers.first(where: { WordMatch.words(of: PythonText($0)).isEmpty }),
        metric != .contains
      {
        throw line.error(
          "\"answers\" holds \"\(empty)\", which has no word to compare; allowed: texts with words")
      }
      if answers.contains("") {
        throw line.error("\"answers\" holds \"\", which everything contains; allowed: other texts")
      }
      return
    }
    let choices = try line.texts("choices")
    guard 2...26 ~= choices.count else {
      throw line.error("\"choices\" has \"\(choices.count)\" texts; allowed: 2 to 26")
    }
    self.choices = choices
    let letters = Self.letters(choices.count)
    text = ([question] + zip(letters, choices).map { "\($0). \($1)" }).joined(separator: "\n")
    answers = try line.texts("answers")
    // As a `String` the Kelvin sign equals "K".
    let allowed = letters.map { PythonText($0) }
    if let wrong = answers.first(where: { !allowed.contains(PythonText($0)) }) {
      throw line.error(
        "\"answers\" holds \"\(wrong)\"; allowed: \(letters.joined(separator: ", ")), the letters of the choices"
      )
    }
  }

  var chanceLevel: Double {
    metric == .choice ? Double(Set(answers).count) / Double(choices.count) : 0
  }

  func score(_ written: String) -> Double {
    let written = PythonText(written)
    let answers = answers.map { PythonText($0) }
    switch metric {
    case .exact: return answers.contains { WordMatch.isExact(written.firstLine, $0) } ? 1 : 0
    case .contains:
      let written = written.lowercased
      return answers.contains { written.contains($0.lowercased) } ? 1 : 0
    case .f1: return answers.map { WordMatch.f1(written.firstLine, $0) }.max() ?? 0
    case .choice:
      let letters = Self.letters(choices.count).map { PythonText($0) }
      let first = written.split { !Self.touchesLetter($0) }.first(where: letters.contains)
      return first.map(answers.contains) == true ? 1 : 0
    }
  }

  /// True for what a letter that stands alone has not beside it: letters, numbers and the marks
  /// that change them.
  private static func touchesLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: scalar != "_" && PythonText.isWordPart(scalar)
    }
  }

  private static func letters(_ count: Int) -> [String] {
    (0..<count).compactMap { Unicode.Scalar(UInt8(ascii: "A") + UInt8($0)) }.map { String($0) }
  }
}
