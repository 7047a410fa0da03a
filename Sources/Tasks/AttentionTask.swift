import Foundation
import Records
import Tokenization

/// Attention alone, for models that are made-up attention inputs: a prompt of contextLength tokens,
/// then decode steps.
///
/// What it gives are errors against dense attention on the same inputs, times and bytes; there is
/// nothing to predict.
public struct AttentionTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    var samples: Int
    var comparedTokens: Int
  }

  public static let description: TaskDescription = {
    var description = TaskDescription(
      name: "attention",
      summary:
        "Attention alone, on the inputs of a synthetic model: a prompt of contextLength tokens, then decode steps.",
      parameters: [
        ParameterDescription(
          "samples", .integer(minimum: 1, maximum: 100_000), default: .integer(1),
          "streams of inputs, each made anew from the pattern; times are of the first"),
        ParameterDescription(
          "comparedTokens", .integer(minimum: 0, maximum: 100_000), default: .integer(16),
          "decode steps after the prompt whose errors are measured"),
        .decodeTokens,
      ],
      source: "own")
    description.input = .attention
    return description
  }()

  private let configuration: Configuration

  public init(_ configuration: Configuration, folder: URL) { self.configuration = configuration }

  /// A token's id is the number of its stream; where the numbering starts follows from the seed, so
  /// that another seed gives other inputs of the same heads.
  package func samples(contextLength: Int, seed: Int) -> [TaskSample] {
    var generator = SeededGenerator(seed: seed, purpose: "attention streams")
    let first = generator.index(below: 1 << 30)
    return (0..<configuration.samples).map { index in
      var sample = TaskSample(
        index: index, place: 0,
        prompt: Array(repeating: Int32(first + index), count: contextLength))
      // The first greedy token comes from the prompt's last row and needs no step.
      sample.greedyTokens = configuration.comparedTokens == 0 ? 0 : configuration.comparedTokens + 1
      return sample
    }
  }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    SampleLength(prompt: contextLength, greedy: configuration.comparedTokens)
  }

  /// Text is not needed.
  public func samples(tokenizer: Tokenizer, contextLength: Int, seed: Int) -> [TaskSample] {
    samples(contextLength: contextLength, seed: seed)
  }
}
