import Records

/// Common words: `cwe` of RULER. Ten words stand in a numbered list ten times as often as the
/// others (six times below 4,096 tokens), after a worked example.
///
/// Worded and sized as scripts/data/synthetic/common_words_extraction.py of NVIDIA/RULER does, with
/// words of our own.
struct RulerCommonWriter: RulerWriter {
  /// The words to draw from.
  let words: [String]
  /// Short contexts have a smaller example and fewer repetitions.
  let isShort: Bool

  private static let commonCount = 10

  var sizes: ClosedRange<Int> { Self.commonCount + 1...words.count }

  func prompt(size: Int, using generator: inout SeededGenerator) -> RulerPrompt {
    let example =
      isShort
      ? list(20, common: 3, uncommon: 1, using: &generator)
      : list(40, common: 10, uncommon: 3, using: &generator)
    let problem =
      isShort
      ? list(size, common: 6, uncommon: 1, using: &generator)
      : list(size, common: 30, uncommon: 3, using: &generator)
    let question =
      "Question: What are the 10 most common words in the above list? Answer: The top 10 words that appear most often in the list are:"
    let worked =
      Self.instruction(example.text) + question + " " + Self.numbered(example.common) + "\n"
    return RulerPrompt(
      prompt: QuestionPrompt(
        text: worked + Self.instruction(problem.text), question: question),
      answers: problem.common, chanceLevel: Double(Self.commonCount) / Double(size))
  }

  private static func instruction(_ context: String) -> String {
    "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n\(context)\n"
  }

  private static func numbered(_ words: [String]) -> String {
    words.enumerated().map { "\($0 + 1). \($1)" }.joined(separator: " ")
  }

  private func list(
    _ count: Int, common: Int, uncommon: Int, using generator: inout SeededGenerator
  ) -> (text: String, common: [String]) {
    let drawn = generator.distinct(count, below: words.count).map { words[$0] }
    let frequent = Array(drawn.prefix(Self.commonCount))
    var all = Array(repeating: frequent, count: common).flatMap(\.self)
    all += Array(repeating: drawn.dropFirst(Self.commonCount), count: uncommon).flatMap(\.self)
    generator.shuffle(&all)
    return (Self.numbered(all), frequent)
  }
}

/// Frequent words: `fwe` of RULER. Words of six random letters whose frequencies follow a zeta
/// distribution of exponent 2; the most frequent one is written as dots and doesn't count, the next
/// three are asked for.
///
/// Worded and sized as scripts/data/synthetic/freq_words_extraction.py of NVIDIA/RULER does.
struct RulerFrequentWriter: RulerWriter {
  /// How many words there are to draw, the dots included.
  let vocabularySize: Int

  /// - Parameter room: the tokens that a prompt may have.
  init(room: Int) { vocabularySize = max(4, room / 50) }

  /// From the first size with which the fourth word comes once.
  let sizes = 27...10_000_000

  func prompt(size: Int, using generator: inout SeededGenerator) -> RulerPrompt {
    let words = ["..."] + generator.names(vocabularySize - 1, letters: 6, from: "a")
    let zeta = Double.pi * Double.pi / 6
    var all: [String] = []
    var differing = 0
    for (index, word) in words.enumerated() {
      let rank = Double(index + 1)
      let count = Int(Double(size) / (rank * rank) / zeta)
      all += Array(repeating: word, count: count)
      if index > 0 && count > 0 { differing += 1 }
    }
    generator.shuffle(&all)
    return RulerPrompt(
      prompt: QuestionPrompt(
        text:
          "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. \(all.joined(separator: " "))\n",
        question:
          "Question: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text? Answer: According to the coded text above, the three most frequently appeared words are:"
      ), answers: Array(words[1...3]), chanceLevel: 3 / Double(max(3, differing)))
  }
}
