import Foundation
import JSON
import Records
import Tokenization

/// One kind of question put to a model: makes prompts of a given length, and scores what comes
/// back.
///
/// A task is one file with a configuration, and one line in ``TaskRegistry/builtIn``. It never sees
/// a model or a strategy; the runner takes its samples through the model and measures.
public protocol ExperimentTask: Sendable {
  /// The parameters of the description, by their names; keys that only the runner reads may be left
  /// out.
  associatedtype Configuration: Codable & Hashable & Sendable

  static var description: TaskDescription { get }

  /// Reads the texts that the configuration names; relative paths start at `folder`. Throws a
  /// ``TextError`` for a text that cannot be used.
  init(_ configuration: Configuration, folder: URL) throws

  /// Why the configuration does not suit a context length, each problem with its parameter (or
  /// `contextLength`). None by default.
  static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError]

  /// What is wrong in the files that the configuration names; relative paths start at `folder`.
  /// Asked when a spec is checked, so that a run does not fail half-way. None by default: a plain
  /// text only has to be readable.
  static func fileProblems(of configuration: Configuration, folder: URL) -> [ConfigurationError]

  /// Why the text that the configuration names is too short for a context length, as far as that is
  /// certain before it is cut into tokens (``Corpus/mostTokens(of:folder:ifBelow:)``); relative paths
  /// start at `folder`. None by default.
  static func textProblems(
    of configuration: Configuration, contextLength: Int, folder: URL
  ) -> [ConfigurationError]

  /// Parameters in one spelling, so that what means the same at a context length has one identity.
  /// Unchanged by default.
  static func canonical(
    _ parameters: [String: JSONValue], contextLength: Int
  ) -> [String: JSONValue]

  /// How long a sample is, roughly, before any is made. A prompt of the whole context by default.
  static func expectedLength(of configuration: Configuration, contextLength: Int) -> SampleLength

  /// The samples, the same for the same arguments. Prompt, late, forced and greedy tokens together
  /// are at most `contextLength`. Throws a ``TaskError`` where the text is too short.
  func samples(tokenizer: Tokenizer, contextLength: Int, seed: Int) throws -> [TaskSample]

  /// The score in 0…1 of what the model wrote after a sample; nil, the default, where tokens are
  /// scored instead.
  func score(_ answer: String, of sample: TaskSample) -> Double?
}

extension ExperimentTask {
  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] { [] }

  public static func fileProblems(
    of configuration: Configuration, folder: URL
  ) -> [ConfigurationError] { [] }

  public static func textProblems(
    of configuration: Configuration, contextLength: Int, folder: URL
  ) -> [ConfigurationError] { [] }

  public static func canonical(
    _ parameters: [String: JSONValue], contextLength: Int
  ) -> [String: JSONValue] { parameters }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength { SampleLength(prompt: contextLength) }

  public func score(_ answer: String, of sample: TaskSample) -> Double? { nil }
}

/// One prompt of a task, and what follows it: forced tokens, or late tokens and then greedy ones.
public struct TaskSample: Sendable, Hashable {
  /// 0-based: among the samples of the same place for tasks that have places, in the file for tasks
  /// that read one.
  public var index: Int
  /// Where it comes from: the window's first token in the text, the needle's depth in 0…1, or the
  /// length of a document in the unit of its benchmark.
  public var place: Double
  /// Prefilled in one pass, the strategy's selection and compaction included. Never empty.
  public var prompt: [Int32]
  /// A question that the selection does not see: decoded after the prompt.
  public var lateTokens: [Int32] = []
  /// A text to be scored: decoded after the prompt whatever the model would say.
  public var forced: [Int32] = []
  /// The place in prompt + forced from which tokens are scored, at least 1; nil where none is.
  public var scoredFrom: Int?
  /// How many tokens the model adds by itself, the likeliest each time; a stop token ends them
  /// earlier.
  public var greedyTokens = 0
  /// The greedy tokens end before one of these.
  public var stopTokens: Set<Int32> = []
  /// The first greedy token is the most likely one that is no stop token.
  public var isNeverEmpty = false
  /// The right answers, in the order in which they are asked for; the task's score says how they
  /// count.
  public var answers: [String] = []
  /// Where in the prompt the tokens of the answers stand, ascending; empty where that says nothing.
  public var answerPositions: [Int] = []
  /// Questions that follow on the same cache, each after the answer to the one before, with the same
  /// number of greedy tokens.
  public var laterTurns: [TaskTurn] = []
  /// The score of a guess, in 0…1; nil for the task's own chance level.
  public var chanceLevel: Double?

  public init(index: Int, place: Double, prompt: [Int32]) {
    self.index = index
    self.place = place
    self.prompt = prompt
  }

  /// All that is asked, one after another.
  public var turns: [TaskTurn] {
    [
      TaskTurn(
        place: place, lateTokens: lateTokens, answers: answers, answerPositions: answerPositions)
    ] + laterTurns
  }

  /// The same sample with what is asked, and right, in one of its turns.
  public func asking(_ turn: TaskTurn) -> TaskSample {
    var sample = self
    sample.place = turn.place
    sample.lateTokens = turn.lateTokens
    sample.answers = turn.answers
    sample.answerPositions = turn.answerPositions
    return sample
  }

  /// The right answers as one text; nil without any.
  public var expected: String? { answers.isEmpty ? nil : answers.joined(separator: " | ") }

  /// The tokens that are scored, in order.
  public var scoredTargets: ArraySlice<Int32> {
    guard let scoredFrom else { return [] }
    return (prompt + forced)[scoredFrom...]
  }
}

/// A question put to a cache, its members as those of ``TaskSample``.
public struct TaskTurn: Sendable, Hashable {
  public var place: Double
  public var lateTokens: [Int32]
  public var answers: [String]
  public var answerPositions: [Int]
}

/// Why a task cannot make its samples.
public struct TaskError: Error, Equatable, CustomStringConvertible {
  public let task: String
  public let problem: String

  package init(task: String, problem: String) {
    self.task = task
    self.problem = problem
  }

  public var description: String { "task \(task): \(problem)" }
}
