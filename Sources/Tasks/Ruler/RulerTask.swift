import Foundation
import Records
import Tokenization

/// The synthetic tasks of RULER (Hsieh et al. 2024, arXiv 2404.06654), made offline.
///
/// Texts, questions, sizes, answer lengths and score are those of NVIDIA/RULER (commit c3f5e3b4),
/// as plain completion (its template `base`, the beginning of the answer included). Four things
/// differ: a corpus in place of Paul Graham's essays, words of our own (``RulerWords``) in place of
/// the package wonderwords, the random numbers, and that every sample has the longest text with
/// which prompt and answer fit the context (the source looks for one size for all).
///
/// The greedy tokens end where the model ends its text. Score: the share of the answers that are
/// found in it, in any case. With `turns` a needle task hides as many keys as all questions ask for,
/// and puts the questions one after another, each after the answer to the one before. `queryAware` false splits the same tokens: the final question and the
/// beginning of the answer come late.
public struct RulerTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    public var task: RulerKind
    public var corpus: String
    public var samples: Int
    public var queryAware: Bool
    public var turns: Int

    public init(
      task: RulerKind, corpus: String = Corpus.evaluationDefault, samples: Int = 10,
      queryAware: Bool = false, turns: Int = 1
    ) {
      self.task = task
      self.corpus = corpus
      self.samples = samples
      self.queryAware = queryAware
      self.turns = turns
    }
  }

  private let configuration: Configuration
  private let corpus: Corpus

  public init(_ configuration: Configuration, folder: URL) throws {
    self.configuration = configuration
    corpus = try Corpus(named: configuration.corpus, folder: folder)
  }

  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] {
    let kind = configuration.task
    var problems: [ConfigurationError] = []
    if configuration.turns > 1, kind.needles == nil {
      problems.append(
        ConfigurationError(
          "turns", "\(configuration.turns): \(kind.rawValue) asks once; use 1, or one of niah_*"))
    }
    if configuration.turns > 1, configuration.queryAware {
      problems.append(
        ConfigurationError(
          "turns",
          "\(configuration.turns) questions on one cache, of which the selection would see the first; use queryAware false"
        ))
    }
    let shortest =
      kind.shortestContext + (configuration.turns - 1) * (kind.answerTokens + Self.turnTokens)
    if contextLength < shortest {
      problems.append(
        ConfigurationError(
          "contextLength",
          "\"\(contextLength)\" tokens are too few for \(kind.rawValue)\(configuration.turns > 1 ? " in \(configuration.turns) turns" : ""); it needs \(shortest)"
        ))
    }
    return problems
  }

  /// The words of a haystack begin anew after its end, so that one is enough.
  public static func textProblems(
    of configuration: Configuration, contextLength: Int, folder: URL
  ) -> [ConfigurationError] {
    guard configuration.task.readsCorpus,
      Corpus.byteCount(of: configuration.corpus, folder: folder) == 0
    else { return [] }
    return [
      ConfigurationError(
        "corpus", "\"\(configuration.corpus)\" is empty; a haystack needs words")
    ]
  }

  /// The least that a further question and its needles take.
  private static let turnTokens = 64

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    SampleLength(
      prompt: contextLength, greedy: configuration.turns * configuration.task.answerTokens)
  }

  public func samples(
    tokenizer: Tokenizer, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    if let problem = Self.problems(of: configuration, contextLength: contextLength).first {
      throw TaskError(task: Self.description.name, problem: problem.description)
    }
    let kind = configuration.task
    let room = contextLength - kind.answerTokens * configuration.turns
    let writer = try writer(room: room, contextLength: contextLength, tokenizer, seed: seed)
    return try (0..<configuration.samples).map { index in
      let generator = SeededGenerator(seed: seed, purpose: "ruler \(kind.rawValue) \(index)")
      let longest = LengthSearch.longest(from: writer.sizes.lowerBound, to: writer.sizes.upperBound)
      { size -> (RulerPrompt, [Int32])? in
        var generator = generator
        let prompt = writer.prompt(size: size, using: &generator)
        let tokens = prompt.prompt.tokens(tokenizer)
        let later = prompt.later.reduce(0) { $0 + Self.lateTokens($1, tokenizer).count }
        return tokens.count + later <= room ? (prompt, tokens) : nil
      }
      guard let (prompt, tokens) = longest else {
        throw TaskError(
          task: Self.description.name,
          problem:
            "\"\(contextLength)\" tokens are too few for \(kind.rawValue) with this model's vocabulary; use a longer context"
        )
      }
      return sample(prompt, tokens, index: index, tokenizer)
    }
  }

  private func writer(
    room: Int, contextLength: Int, _ tokenizer: Tokenizer, seed: Int
  ) throws -> any RulerWriter {
    switch configuration.task {
    case .variableTracking: return RulerVariableWriter(tokenizer: tokenizer, seed: seed)
    case .commonWords:
      return RulerCommonWriter(words: try RulerWords.common(), isShort: contextLength < 4096)
    case .frequentWords: return RulerFrequentWriter(room: room)
    default:
      guard let needles = configuration.task.needles else {
        preconditionFailure("RulerTask.writer: \(configuration.task) hides no needles")
      }
      return RulerNeedleWriter(
        needles: needles, turns: configuration.turns,
        essay: needles.haystack == .essay ? try RulerEssay(corpus) : nil)
    }
  }

  private func sample(
    _ prompt: RulerPrompt, _ tokens: [Int32], index: Int, _ tokenizer: Tokenizer
  ) -> TaskSample {
    var sample = TaskSample(
      index: index, place: prompt.place, tokens: tokens,
      questionTokens: prompt.prompt.questionTokens(in: tokens, tokenizer),
      queryAware: configuration.queryAware)
    sample.greedyTokens = configuration.task.answerTokens
    sample.stopTokens = tokenizer.endTokens
    sample.answers = prompt.answers
    sample.chanceLevel = prompt.chanceLevel
    let places = AnswerPlaces(tokens, tokenizer)
    func positions(of answers: [String]) -> [Int] {
      Set(answers.flatMap { places.tokens(of: $0, in: prompt.sentences[$0] ?? "") }).sorted()
    }
    if !prompt.sentences.isEmpty { sample.answerPositions = positions(of: prompt.answers) }
    sample.laterTurns = prompt.later.map { question in
      TaskTurn(
        place: question.place, lateTokens: Self.lateTokens(question, tokenizer),
        answers: question.answers, answerPositions: positions(of: question.answers))
    }
    return sample
  }

  /// A further question begins a line.
  private static func lateTokens(
    _ question: RulerPrompt.Question, _ tokenizer: Tokenizer
  ) -> [Int32] { tokenizer.encode("\n" + question.text, addsBOS: false) }

  public func score(_ answer: String, of sample: TaskSample) -> Double? {
    let answer = PythonText(answer).lowercased
    let found = sample.answers.count { answer.contains(PythonText($0).lowercased) }
    return Double(found) / Double(sample.answers.count)
  }
}
