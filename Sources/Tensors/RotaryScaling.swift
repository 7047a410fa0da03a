import Foundation

/// How rotary frequencies are changed so that a model takes longer texts than it was made for.
///
/// With f_i = base^(−2i/d) the frequency of pair i, s the factor and L the original context length:
///
/// - `linear`: f_i / s (Chen et al., arXiv 2306.15595).
/// - `ntk`: the frequencies of base · s^(d/(d−2)): the highest stays, the lowest is divided by s.
/// - `dynamic-ntk`: those of base · (s·n/L − (s − 1))^(d/(d−2)), where n is the context length that
///   the model is opened for, at least L. It stays what it is while a text grows, so that decoding
///   equals a prefill of the whole text.
/// - `yarn` (Peng et al., arXiv 2309.00071): r_i f_i / s + (1 − r_i) f_i, where r rises from 0 to 1
///   between the pairs that turn `betaFast` and `betaSlow` times within L. Queries and keys are
///   multiplied with the attention factor, 0.1 ln s + 1.
/// - `llama3`: f_i where it turns more than `highFrequencyFactor` times within L, f_i / s where less
///   than `lowFrequencyFactor` times, between them a line.
///
/// The formulas and defaults are those of transformers, which `ntk` alone is not in.
public struct RotaryScaling: Sendable, Hashable, Codable {
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    case linear, ntk
    case dynamicNTK = "dynamic-ntk"
    case yarn, llama3
  }

  public var type: Kind
  /// s, from 1 on.
  public var factor: Double
  /// L, in tokens; nil for the context length that the model's file states.
  public var originalContextLength: Int?
  /// Of `yarn` in place of 0.1 ln s + 1.
  public var attentionFactor: Double?
  /// Of `yarn`: turns within L, 32 if not given.
  public var betaFast: Double?
  /// Of `yarn`: turns within L, 1 if not given.
  public var betaSlow: Double?
  /// Of `llama3`: turns within L, 1 if not given.
  public var lowFrequencyFactor: Double?
  /// Of `llama3`: turns within L, more than the low one; 4 if not given.
  public var highFrequencyFactor: Double?

  /// Factors beyond this are absurd.
  public static let largestFactor = 1024.0

  public init(_ type: Kind, factor: Double, originalContextLength: Int? = nil) {
    self.type = type
    self.factor = factor
    self.originalContextLength = originalContextLength
  }

  /// s·L: the tokens that a model takes under this scaling.
  public func extended(_ originalContextLength: Int) -> Int {
    Int(factor * Double(originalContextLength))
  }

  /// The embedding of heads of `dimensions`, all of them rotated.
  ///
  /// - Parameters:
  ///   - base: above 1.
  ///   - stated: the context length that stands for L where the scaling has none.
  ///   - contextLength: n, which only `dynamic-ntk` asks for.
  public func embedding(
    base: Double, dimensions: Int, layout: RotaryEmbedding.Layout, stated: Int, contextLength: Int
  ) -> RotaryEmbedding {
    let length = Double(originalContextLength ?? stated)
    let plain = RotaryEmbedding(base: base, dimensions: dimensions, layout: layout)
    func rebased(_ growth: Double) -> RotaryEmbedding {
      let exponent = Double(dimensions) / Double(dimensions - 2)
      return RotaryEmbedding(
        base: base * pow(growth, exponent), dimensions: dimensions, layout: layout)
    }
    switch type {
    case .linear:
      return blend(plain) { _ in 1 }
    case .ntk:
      return rebased(factor)
    case .dynamicNTK:
      return rebased(factor * max(Double(contextLength), length) / length - (factor - 1))
    case .yarn:
      // The pair, as a real number, that turns so often within the original length.
      func pair(turning turns: Double) -> Double {
        Double(dimensions) * log(length / (turns * 2 * .pi)) / (2 * log(base))
      }
      let first = max(pair(turning: betaFast ?? 32).rounded(.down), 0)
      let last = min(pair(turning: betaSlow ?? 1).rounded(.up), Double(dimensions - 1))
      // Equal ends would divide by zero; transformers has the same thousandth.
      let width = last == first ? 0.001 : last - first
      var scaled = blend(plain) { min(max((Double($0) - first) / width, 0), 1) }
      scaled.magnitude = attentionFactor ?? Self.attentionFactor(factor)
      return scaled
    case .llama3:
      let (low, high) = (lowFrequencyFactor ?? 1, highFrequencyFactor ?? 4)
      return blend(plain) { pair in
        let turns = length * plain.frequencies[pair] / (2 * .pi)
        return 1 - min(max((turns - low) / (high - low), 0), 1)
      }
    }
  }

  /// Pairs between their own frequency (share 0) and the one divided by the factor (share 1).
  private func blend(_ plain: RotaryEmbedding, _ share: (_ pair: Int) -> Double) -> RotaryEmbedding
  {
    var scaled = plain
    for (pair, frequency) in plain.frequencies.enumerated() {
      let share = share(pair)
      scaled.frequencies[pair] = share * frequency / factor + (1 - share) * frequency
    }
    return scaled
  }

  /// YaRN's attention factor for a scaling factor, `multiplier` times as strong: 0.1 m ln s + 1.
  public static func attentionFactor(_ factor: Double, multiplier: Double = 1) -> Double {
    0.1 * multiplier * log(factor) + 1
  }
}

extension RotaryScaling {
  /// What is wrong with values that belong together, as what is allowed; nil where nothing is.
  public var contradiction: String? {
    if (betaFast ?? 32) <= (betaSlow ?? 1) { return "betaFast more than betaSlow" }
    if (highFrequencyFactor ?? 4) <= (lowFrequencyFactor ?? 1) {
      return "highFrequencyFactor more than lowFrequencyFactor"
    }
    return nil
  }

  /// Whether texts of two lengths see other frequencies.
  public var dependsOnContextLength: Bool { type == .dynamicNTK }
}
