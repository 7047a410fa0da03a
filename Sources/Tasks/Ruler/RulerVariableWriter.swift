import Records
import Tokenization

/// Variable tracking: `vt` of RULER, one chain of four hops in noise, after a worked example of up
/// to 500 tokens.
///
/// Worded and placed as scripts/data/synthetic/variable_tracking.py of NVIDIA/RULER does; names of
/// one chain differ.
struct RulerVariableWriter: RulerWriter {
  private static let hops = 4
  private static let exampleTokens = 500
  /// Sentences of noise in the example.
  private let exampleSize: Int

  let sizes = (Self.hops + 1)...1_000_000

  /// Finds how much noise the example has: the most with which it has at most 500 tokens.
  init(tokenizer: Tokenizer, seed: Int) {
    let generator = SeededGenerator(seed: seed, purpose: "ruler vt example")
    exampleSize =
      LengthSearch.longest(from: Self.hops + 1, to: 1_000_000) { size -> Int? in
        var generator = generator
        let example = Self.problem(size: size, letters: 3, using: &generator)
        let tokens = example.prompt.tokens(tokenizer)
        return tokens.count <= Self.exampleTokens ? size : nil
      } ?? Self.hops + 1
  }

  func prompt(size: Int, using generator: inout SeededGenerator) -> RulerPrompt {
    let example = Self.problem(size: exampleSize, letters: 3, using: &generator)
    var problem = Self.problem(size: size, letters: 5, using: &generator)
    problem.prompt.text =
      example.prompt.text + example.prompt.question + " "
      + example.answers.joined(separator: " ") + "\n\n" + problem.prompt.text
    return problem
  }

  private static func problem(
    size: Int, letters: Int, using generator: inout SeededGenerator
  ) -> RulerPrompt {
    let names = generator.names(hops + 1, letters: letters, from: "A")
    let value = String(10_000 + generator.index(below: 89_999))
    var chain = ["VAR \(names[0]) = \(value)"]
    for (name, last) in zip(names.dropFirst(), names) {
      chain.append("VAR \(name) = VAR \(last) ")
    }
    var lines = Array(repeating: RulerNeedleWriter.noise, count: size)
    let places = generator.distinct(chain.count, below: size).sorted()
    for (index, place) in places.enumerated() { lines.insert(chain[index], at: place + index) }
    return RulerPrompt(
      prompt: QuestionPrompt(
        text:
          "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n\(lines.joined(separator: "\n"))\n",
        question:
          "Question: Find all variables that are assigned the value \(value) in the text above. Answer: According to the chain(s) of variable assignment in the text above, \(hops + 1) variables are assigned the value \(value), they are: "
      ), answers: names, place: Double(places[0]) / Double(size))
  }
}
