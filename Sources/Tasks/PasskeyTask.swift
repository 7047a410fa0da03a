import Foundation
import Records
import Tokenization

/// A key in a haystack: plain completion, no chat template.
///
/// A prompt is a stretch of the corpus (lines joined) from a sentence's beginning, cut in two at
/// the sentence end nearest to the depth:
///
///     haystack + "\n\nThe pass key is K.\n\n" + haystack + "\n\nThe pass key is"
///
/// It has exactly contextLength − 8 tokens, a BOS token included where the model asks for one (see
/// ``PasskeyPrompt``). K has five digits, the first not 0. Each depth and sample index has a key
/// and a haystack of its own, drawn from the seed independently of the others. The answer is eight
/// greedy tokens; it is right if their first run of digits equals K.
///
/// `queryAware` false splits the same tokens: those before the final line are the prompt, the final
/// line comes late.
public struct PasskeyTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    public var corpus: String
    public var depths: [Double]
    public var samples: Int
    public var queryAware: Bool

    public init(
      corpus: String = Corpus.evaluationDefault,
      depths: [Double] = [0.1, 0.3, 0.5, 0.7, 0.9], samples: Int = 2, queryAware: Bool = false
    ) {
      self.corpus = corpus
      self.depths = depths
      self.samples = samples
      self.queryAware = queryAware
    }
  }

  /// The tokens that the model may answer with.
  public static let answerTokens = 8
  /// Below this the frame leaves no room for a haystack.
  static let shortestContext = 64

  private let configuration: Configuration
  private let corpus: Corpus

  public init(_ configuration: Configuration, folder: URL) throws {
    self.configuration = configuration
    corpus = try Corpus(named: configuration.corpus, folder: folder)
  }

  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] {
    var problems: [ConfigurationError] = []
    if configuration.depths.isEmpty {
      problems.append(ConfigurationError("depths", "is empty; give at least one, in 0 to 1"))
    }
    if Set(configuration.depths).count < configuration.depths.count {
      problems.append(ConfigurationError("depths", "a depth comes twice; use samples instead"))
    }
    if contextLength < shortestContext {
      problems.append(
        ConfigurationError(
          "contextLength",
          "\"\(contextLength)\" tokens are too few for a passkey prompt; it needs \(shortestContext)"
        ))
    }
    return problems
  }

  public static func textProblems(
    of configuration: Configuration, contextLength: Int, folder: URL
  ) -> [ConfigurationError] {
    let needed = PasskeyPrompt.leastTextTokens(forPromptOf: contextLength - answerTokens)
    guard
      let most = Corpus.mostTokens(of: configuration.corpus, folder: folder, ifBelow: needed)
    else { return [] }
    return [
      ConfigurationError(
        "corpus",
        "\"\(configuration.corpus)\" is too short for a prompt of \(contextLength - answerTokens) tokens: its \(most.bytes.counting("byte")) are no more than \(most.tokens.counting("token")), and it needs \(needed); use a longer text or a shorter context"
      )
    ]
  }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    SampleLength(prompt: contextLength, greedy: answerTokens)
  }

  public func samples(
    tokenizer: Tokenizer, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    if let problem = Self.problems(of: configuration, contextLength: contextLength).first {
      throw TaskError(task: Self.description.name, problem: problem.description)
    }
    let haystack = try Haystack(corpus, tokenizer: tokenizer)
    var samples: [TaskSample] = []
    for depth in configuration.depths {
      for index in 0..<configuration.samples {
        var generator = SeededGenerator(seed: seed, purpose: "passkey \(depth) \(index)")
        let prompt = try PasskeyPrompt(
          in: haystack, tokenCount: contextLength - Self.answerTokens, depth: depth,
          using: &generator)
        var sample = sample(prompt, depth: depth, index: index)
        sample.answerPositions = AnswerPlaces(prompt.tokens, tokenizer).tokens(
          of: prompt.key, in: "The pass key is \(prompt.key).")
        samples.append(sample)
      }
    }
    return samples
  }

  private func sample(_ prompt: PasskeyPrompt, depth: Double, index: Int) -> TaskSample {
    var tokens = prompt.tokens
    var late: [Int32] = []
    if !configuration.queryAware {
      late = Array(tokens[prompt.finalLineStart...])
      tokens.removeSubrange(prompt.finalLineStart...)
    }
    var sample = TaskSample(index: index, place: depth, prompt: tokens)
    sample.lateTokens = late
    sample.greedyTokens = Self.answerTokens
    sample.answers = [prompt.key]
    return sample
  }

  public func score(_ answer: String, of sample: TaskSample) -> Double? {
    let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    let run = answer.utf8.drop { !isDigit($0) }.prefix(while: isDigit)
    return sample.expected.map { Array($0.utf8) == Array(run) ? 1 : 0 }
  }
}
