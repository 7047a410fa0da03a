import Foundation
import Records
import Tokenization

/// A user's own questions: a JSON Lines file of `{"context": …, "question": …, "answers": […],
/// "metric": "exact", "contains", "f1" or "choice"}`.
///
/// The prompt is the template filled in, as plain completion; one that does not fit loses its
/// middle, which must be part of the document. The answer is greedy tokens until the model ends its
/// text. Each line has its own metric, and the best of its answers counts:
///
/// - `exact`: 1 if the first line written is the answer, apart from case, punctuation and articles;
/// - `contains`: 1 if the answer is anywhere in what is written, in any case;
/// - `f1`: F1 of the words of the first line written, apart from case, punctuation and articles;
/// - `choice`: the line has `"choices"`, 2 to 26 texts, which follow the question as `A. …`, `B.
///   …`; answers are letters; 1 if the first such letter that stands alone in what is written is
///   one of them. Chance: answers over choices.
///
/// `queryAware` false splits the same tokens: all that comes after the document is decoded late.
/// Other keys of a line are not looked at. A place is the line's number. An empty context is
/// allowed: a question asked without a document.
public struct JSONLinesTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    public var file: String
    public var template: String
    public var answerTokens: Int
    /// Nil for all lines.
    public var samples: Int?
    public var queryAware: Bool

    public init(
      file: String, template: String = JSONLinesTask.defaultTemplate, answerTokens: Int = 32,
      samples: Int? = nil, queryAware: Bool = false
    ) {
      self.file = file
      self.template = template
      self.answerTokens = answerTokens
      self.samples = samples
      self.queryAware = queryAware
    }
  }

  public static let defaultTemplate = "{context}\n\nQuestion: {question}\nAnswer:"

  private let configuration: Configuration
  private let questions: [OwnQuestion]

  public init(_ configuration: Configuration, folder: URL) throws {
    self.configuration = configuration
    questions = try Self.questions(of: configuration, folder: folder)
  }

  private static func questions(
    of configuration: Configuration, folder: URL
  ) throws(TextError) -> [OwnQuestion] {
    try JSONLine.lines(
      of: Corpus(named: configuration.file, folder: folder), reading: OwnQuestion.keys
    ).map {
      line throws(TextError) in
      let question = try OwnQuestion(line)
      let prompt = prompt(question, configuration)
      guard !prompt.text.isEmpty || !prompt.question.isEmpty else {
        throw line.error(
          "\"context\" and \"question\" are \"\", and the template adds nothing: there is nothing to ask; fill one of them"
        )
      }
      return question
    }
  }

  private static func prompt(
    _ question: OwnQuestion, _ configuration: Configuration
  ) -> QuestionPrompt {
    configuration.template.filled(
      context: question.context, "{question}", with: question.text)
  }

  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] {
    var problems: [ConfigurationError] = []
    let questions = configuration.template.pieces(around: "{context}").map {
      $0.pieces(around: "{question}").count - 1
    }
    if questions.count != 2 || questions[0] > 0 || questions[1] == 0 {
      problems.append(
        ConfigurationError(
          "template",
          "\"\(configuration.template)\" is no template; it needs {context} once and {question} after it"
        ))
    }
    let least = configuration.answerTokens + 32
    if contextLength < least {
      problems.append(
        ConfigurationError(
          "contextLength",
          "\"\(contextLength)\" tokens are too few for answers of up to \(configuration.answerTokens); at least \(least) are needed"
        ))
    }
    return problems
  }

  public static func fileProblems(
    of configuration: Configuration, folder: URL
  ) -> [ConfigurationError] {
    do {
      let questions = try questions(of: configuration, folder: folder)
      return RecordChoice.problems(
        asking: configuration.samples, of: questions.count, in: configuration.file)
    } catch {
      return [ConfigurationError("file", error.description)]
    }
  }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    SampleLength(prompt: contextLength, greedy: configuration.answerTokens)
  }

  public func samples(
    tokenizer: Tokenizer, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    if let problem = Self.problems(of: configuration, contextLength: contextLength).first {
      throw TaskError(task: Self.description.name, problem: problem.description)
    }
    return try RecordChoice.chosen(
      configuration.samples, of: questions.count, in: configuration.file, seed: seed,
      task: Self.description.name
    ).map { index in
      let question = questions[index]
      let room = contextLength - configuration.answerTokens
      let prompt = DocumentPrompt(
        Self.prompt(question, configuration), tokenizer: tokenizer, room: room)
      func problem(_ text: String) -> TaskError {
        TaskError(
          task: Self.description.name,
          problem: "\(configuration.file): line \(question.line): \(text)")
      }
      guard prompt.isQuestionWhole else {
        throw problem(
          "the question does not fit the half of a prompt of \(room) tokens; use a longer context")
      }
      guard prompt.tokens.count > tokenizer.textStart.count else {
        throw problem("the model's vocabulary can write no character of the prompt")
      }
      var sample = TaskSample(
        index: index, place: Double(question.line), tokens: prompt.tokens,
        questionTokens: prompt.questionTokens, queryAware: configuration.queryAware)
      sample.greedyTokens = configuration.answerTokens
      sample.stopTokens = tokenizer.endTokens
      sample.answers = question.answers
      sample.chanceLevel = question.chanceLevel
      return sample
    }
  }

  public func score(_ answer: String, of sample: TaskSample) -> Double? {
    questions[sample.index].score(answer)
  }
}
