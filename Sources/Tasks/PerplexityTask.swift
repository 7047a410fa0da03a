import Foundation
import JSON
import Records
import Tokenization

/// Perplexity over windows of a text.
///
/// The text, with its lines joined if asked for, is tokenised once, without BOS, and its T tokens
/// are cut into ⌊T/n⌋ consecutive windows of n = contextLength tokens, or of n - 1 where the model
/// asks for a BOS token, which then begins each window and is not scored. The samples are the first
/// windows of a seeded shuffle, so more samples keep the earlier ones. The last `scoredTokens`
/// tokens of a window are scored, each given all before it:
///
/// - `prefill`: the whole window is the prompt;
/// - `continuation`: the others are the prompt, prefilled and compacted once, and the scored tokens
///   are decoded.
public struct PerplexityTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    public enum ScoringProtocol: String, Codable, Sendable, CaseIterable {
      case prefill, continuation
    }

    public var corpus: String
    public var samples: Int
    public var `protocol`: ScoringProtocol
    /// Nil: see ``scoredTokens(of:)``.
    public var scoredTokens: Int?
    /// Nil: those of any text but the shipped `code`.
    public var joinLines: Bool?

    public init(
      corpus: String = Corpus.evaluationDefault, samples: Int = 1,
      protocol scoring: ScoringProtocol = .continuation, scoredTokens: Int? = nil,
      joinLines: Bool? = nil
    ) {
      self.corpus = corpus
      self.samples = samples
      self.protocol = scoring
      self.scoredTokens = scoredTokens
      self.joinLines = joinLines
    }

    /// How many tokens at the end of a window are scored: by default n/2 for `prefill` and min(256,
    /// n/4) for `continuation`, at least 1.
    public func scoredTokens(of contextLength: Int) -> Int {
      if let scoredTokens { return scoredTokens }
      switch self.protocol {
      case .prefill: return max(1, contextLength / 2)
      case .continuation: return max(1, min(256, contextLength / 4))
      }
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
    let scored = configuration.scoredTokens(of: contextLength)
    guard scored >= contextLength else { return [] }
    return [
      ConfigurationError(
        "scoredTokens",
        "\"\(scored)\" tokens cannot be scored in a window of \(contextLength): the first has nothing before it; allowed are 1 to \(contextLength - 1)"
      )
    ]
  }

  public static func textProblems(
    of configuration: Configuration, contextLength: Int, folder: URL
  ) -> [ConfigurationError] {
    // A BOS token may be one of a window's.
    let (needed, overflow) = configuration.samples.multipliedReportingOverflow(
      by: contextLength - 1)
    guard
      let most = Corpus.mostTokens(
        of: configuration.corpus, folder: folder, ifBelow: overflow ? .max : needed)
    else { return [] }
    return [
      ConfigurationError(
        configuration.samples > 1 ? "samples" : "corpus",
        "\"\(configuration.corpus)\" is too short for \(configuration.samples.counting("window")) of \(contextLength) tokens: its \(most.bytes.counting("byte")) are no more than \(most.tokens.counting("token")); ask for fewer samples, a shorter context or a longer text"
      )
    ]
  }

  /// `scoredTokens` left out where it is the default, and `joinLines` said, so that each has one
  /// identity.
  public static func canonical(
    _ parameters: [String: JSONValue], contextLength: Int
  ) -> [String: JSONValue] {
    var parameters = parameters
    if parameters["joinLines"]?.isNull == true, let corpus = parameters["corpus"]?.stringValue {
      parameters["joinLines"] = .boolean(Corpus.joinsLines(named: corpus))
    }
    guard let scored = parameters["scoredTokens"]?.integerValue,
      let word = parameters["protocol"]?.stringValue,
      let scoring = Configuration.ScoringProtocol(rawValue: word),
      scored == Configuration(protocol: scoring).scoredTokens(of: contextLength)
    else { return parameters }
    return parameters.merging(["scoredTokens": .null]) { $1 }
  }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    let scored = min(contextLength, configuration.scoredTokens(of: contextLength))
    let known = configuration.protocol == .continuation ? scored : 0
    return SampleLength(prompt: contextLength - known, known: known, scored: scored)
  }

  public func samples(
    tokenizer: Tokenizer, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    if let problem = Self.problems(of: configuration, contextLength: contextLength).first {
      throw TaskError(task: Self.description.name, problem: problem.description)
    }
    let text =
      switch configuration.joinLines {
      case true?: corpus.withJoinedLines
      case false?: corpus.text
      case nil: corpus.running
      }
    let tokens = tokenizer.encode(text, addsBOS: false)
    let start = tokenizer.textStart
    let length = contextLength - start.count
    var windows = Array(0..<tokens.count / length)
    guard configuration.samples <= windows.count else {
      throw TaskError(
        task: Self.description.name,
        problem:
          "\"\(configuration.samples)\" samples are asked for, and the corpus \"\(corpus.name)\" has \(windows.count) windows of \(contextLength) tokens (\(tokens.count) tokens); ask for fewer samples, a shorter context or a longer text"
      )
    }
    var generator = SeededGenerator(seed: seed, purpose: Self.description.name)
    generator.shuffle(&windows)
    return windows.prefix(configuration.samples).enumerated().map { index, window in
      let first = window * length
      return sample(
        start + tokens[first..<first + length], index: index, place: Double(first))
    }
  }

  private func sample(_ window: [Int32], index: Int, place: Double) -> TaskSample {
    let scoredFrom = window.count - configuration.scoredTokens(of: window.count)
    let promptCount = configuration.protocol == .prefill ? window.count : scoredFrom
    var sample = TaskSample(index: index, place: place, prompt: Array(window[..<promptCount]))
    sample.forced = Array(window[promptCount...])
    sample.scoredFrom = scoredFrom
    return sample
  }
}
