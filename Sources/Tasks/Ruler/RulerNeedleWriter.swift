import Records

/// Needles in a haystack: `niah_*` of RULER.
///
/// The text, its needles and the question are worded and placed as scripts/data/synthetic/niah.py
/// of NVIDIA/RULER does; the generator of random numbers, the essay and the words are our own, an
/// essay begins at another sentence for each sample, and keys of one text differ (there they may
/// coincide).
struct RulerNeedleWriter: RulerWriter {
  /// As many keys as all turns together ask for, at least.
  let needles: RulerNeedles
  /// Questions asked one after another, each of keys of its own.
  let turns: Int
  /// The haystack of the kind `essay`.
  let essay: RulerEssay?

  init(needles: RulerNeedles, turns: Int, essay: RulerEssay?) {
    var needles = needles
    needles.keyCount = max(needles.keyCount, needles.queryCount * turns)
    self.needles = needles
    self.turns = turns
    self.essay = essay
  }

  static let noise =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."

  var sizes: ClosedRange<Int> {
    let count = needles.keyCount * needles.valueCount
    guard let essay else { return count...1_000_000 }
    return min(20, essay.wordCount)...essay.wordCount
  }

  func prompt(size: Int, using generator: inout SeededGenerator) -> RulerPrompt {
    let start = essay?.sentence(generator.index(below: 1 << 30))
    let fillers = needles.haystack == .needles ? size : 0
    let keys = differentKeys(needles.keyCount + fillers, using: &generator)
    let values = keys.map { _ in
      (0..<needles.valueCount).map { _ in word(needles.values, using: &generator) }
    }
    var hidden = zip(keys, values).prefix(needles.keyCount).flatMap { key, values in
      values.map { Needle(key: key, value: $0, text: sentence(key, $0)) }
    }
    generator.shuffle(&hidden)
    let asked = generator.distinct(needles.queryCount * turns, below: needles.keyCount)
    let questions = (0..<turns).map { turn in
      Array(asked[turn * needles.queryCount..<(turn + 1) * needles.queryCount])
    }

    var lines: [String]
    /// Of each hidden needle.
    let places: [Double]
    if let essay, let start {
      let depths = Self.depths(hidden.count, using: &generator)
      let parts = essay.parts(start, wordCount: size, depths: depths)
      lines = [parts[0]]
      for (needle, part) in zip(hidden, parts.dropFirst()) { lines += [needle.text, part] }
      lines = [lines.joined(separator: " ")]
      places = depths.map { Double($0) / 100 }
    } else {
      lines =
        fillers > 0
        ? zip(keys, values).dropFirst(needles.keyCount).map { sentence($0, $1[0]) }
        : Array(repeating: Self.noise, count: size)
      let lineNumbers = generator.distinct(hidden.count, below: size).sorted(by: >)
      for (needle, line) in zip(hidden, lineNumbers) { lines.insert(needle.text, at: line) }
      places = lineNumbers.map { Double($0) / Double(size) }
    }
    let context = lines.joined(separator: "\n")
    let asking = questions.map { question in
      let answers = question.flatMap { values[$0] }
      return RulerPrompt.Question(
        text: framed(context, asking: question.map { keys[$0] }).question, answers: answers,
        place: places[hidden.firstIndex { $0.value == answers[0] } ?? 0])
    }
    let wrong = keys.count > needles.queryCount
    return RulerPrompt(
      prompt: framed(context, asking: questions[0].map { keys[$0] }), answers: asking[0].answers,
      place: asking[0].place, chanceLevel: wrong ? 1 / Double(keys.count) : 0,
      later: Array(asking.dropFirst()),
      sentences: Dictionary(
        hidden.map { ($0.value, $0.text) }, uniquingKeysWith: { first, _ in first }))
  }

  private struct Needle {
    var key: String
    var value: String
    var text: String
  }

  private func sentence(_ key: String, _ value: String) -> String {
    "One of the special magic \(needles.values.rawValue) for \(key) is: \(value)."
  }

  /// 40 depths from 0 to 100 percent; `count` different ones, ascending.
  private static func depths(_ count: Int, using generator: inout SeededGenerator) -> [Int] {
    generator.distinct(count, below: 40).map { Int((Double($0) * 100 / 39).rounded()) }.sorted()
  }

  private func framed(_ context: String, asking keys: [String]) -> QuestionPrompt {
    let query =
      keys.count > 1
      ? keys.dropLast().joined(separator: ", ") + ", and " + keys[keys.count - 1] : keys[0]
    let plural = needles.values.rawValue
    guard needles.queryCount * needles.valueCount == 1 else {
      return QuestionPrompt(
        text:
          "Some special magic \(plural) are hidden within the following text. Make sure to memorize it. I will quiz you about the \(plural) afterwards.\n\(context)\n",
        question:
          "What are all the special magic \(plural) for \(query) mentioned in the provided text? The special magic \(plural) for \(query) mentioned in the provided text are"
      )
    }
    let single = plural.dropLast()
    return QuestionPrompt(
      text:
        "A special magic \(single) is hidden within the following text. Make sure to memorize it. I will quiz you about the \(single) afterwards.\n\(context)\n",
      question:
        "What is the special magic \(single) for \(query) mentioned in the provided text? The special magic \(single) for \(query) mentioned in the provided text is"
    )
  }

  private func differentKeys(_ count: Int, using generator: inout SeededGenerator) -> [String] {
    guard needles.keys == .words else {
      return (0..<count).map { _ in word(needles.keys, using: &generator) }
    }
    // Beyond all pairs of words a key comes again, as in a text of a million tokens.
    var keys: [String] = []
    while keys.count < count {
      let more = min(count - keys.count, RulerWords.pairCount)
      keys += generator.distinct(more, below: RulerWords.pairCount).map(RulerWords.pair)
    }
    return keys
  }

  private func word(
    _ kind: RulerNeedles.Word, using generator: inout SeededGenerator
  ) -> String {
    switch kind {
    case .words: RulerWords.pair(generator.index(below: RulerWords.pairCount))
    case .numbers: generator.sevenDigits()
    case .uuids: generator.identifier()
    }
  }
}
