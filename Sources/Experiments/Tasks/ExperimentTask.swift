import Attention
import Foundation
import Records
import Tokenization

/// One kind of question put to a model: makes prompts of a given length, and scores what comes back.
///
/// A task is one file with a configuration, and one line in ``TaskRegistry/builtIn``. It never sees a model or a
/// strategy; the runner takes its samples through the model and measures.
public protocol ExperimentTask: Sendable {
  /// The parameters of the description, by their names; keys that only the runner reads may be left out.
  associatedtype Configuration: Codable & Hashable & Sendable

  static var description: TaskDescription { get }

  /// Reads the texts that the configuration names; relative paths start at `folder`. Throws a ``TextError`` for one that cannot be used.
  init(_ configuration: Configuration, folder: URL) throws

  /// What the configuration cannot be at a context length: each with its parameter (or `contextLength`). None by default.
  static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError]

  /// The samples, the same for the same arguments. Prompt, late and forced tokens and the greedy ones together are at
  /// most `contextLength`. Throws a ``TaskError`` where the text is too short for that.
  func samples(tokenizer: Tokenizer, contextLength: Int, seed: Int) throws -> [TaskSample]

  /// The score in 0…1 of what the model wrote after a sample; nil, the default, where tokens are scored instead.
  func score(_ answer: String, of sample: TaskSample) -> Double?
}

extension ExperimentTask {
  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] { [] }

  public func score(_ answer: String, of sample: TaskSample) -> Double? { nil }
}

/// One prompt of a task, and what is done after it: forced tokens, or late tokens and then greedy ones.
public struct TaskSample: Sendable, Hashable {
  /// 0-based; among the samples of the same place for tasks that have places.
  public var index: Int
  /// Where it is from: the window's first token in the text, or the needle's depth in 0…1.
  public var place: Double
  /// Prefilled in one pass, the strategy's selection and compaction included. Never empty.
  public var prompt: [Int32]
  /// A question that the selection has not seen: decoded after the prompt.
  public var lateTokens: [Int32] = []
  /// Decoded after the prompt whatever the model would say: a text that is scored.
  public var forced: [Int32] = []
  /// The place in prompt + forced from which tokens are scored, at least 1; nil where none is.
  public var scoredFrom: Int?
  /// How many tokens the model adds by itself, the most likely each time.
  public var greedyTokens = 0
  /// The right answer.
  public var expected: String?

  public init(index: Int, place: Double, prompt: [Int32]) {
    self.index = index
    self.place = place
    self.prompt = prompt
  }

  /// The tokens that are scored, in order.
  public var scoredTargets: ArraySlice<Int32> {
    guard let scoredFrom else { return [] }
    return (prompt + forced)[scoredFrom...]
  }
}

/// Why a task cannot make its samples.
public struct TaskError: Error, Equatable, CustomStringConvertible {
  public let task: String
  public let problem: String

  public var description: String { "task \(task): \(problem)" }
}
