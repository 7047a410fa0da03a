import Attention
import Records
import Tasks
import Tensors

/// A number of bytes that a cell's caches are to hold on average over its decode steps, and how to find
/// the budget that comes to it.
///
/// Bytes are the logical ones of the global layers, the mean over samples of each one's mean over decode
/// steps (after the prompt, where nothing is decoded). A budget is a number of tokens of the mean prompt;
/// each sample gets its share of its own.
struct MeanBudget {
  /// Prompt tokens of a sample, and the tokens decoded after them.
  struct Lengths: Hashable {
    var prompt: Int
    var steps: Int
  }

  /// What was found.
  struct Solution {
    /// Of the mean prompt; infinite for everything.
    var tokens: Double
    /// Why no budget comes to the target; nil where one does.
    var limit: MatchStatus?
    /// The least bytes that the method can reach, where that is more than the target.
    var least: Double?
  }

  private static let mostPasses = 8

  var target: Double
  var samples: [Lengths]
  var headDimension = 64
  /// Of a token in all global layers; where tokens grow smaller as they grow older, of one that is older.
  var bytesPerToken: Double
  /// Whether the format is such, so that what is held has to be measured.
  var bytesChangeWithAge = false
  /// Beside all tokens of a prompt from ``CacheFormat/leastCentred`` on.
  var meanBytes = 0.0

  private var meanPrompt: Double {
    samples.map { Double($0.prompt) }.mean ?? 1
  }
  /// With a budget of as many tokens nothing leaves.
  private var mostTokens: Int { samples.reduce(1) { max($0, $1.prompt + $1.steps) } }

  /// The mean of what global layers hold, in bytes, from the tokens of a KV head.
  private func mean(_ held: (Lengths, _ step: Int) -> Double) -> Double {
    let means = samples.map { sample -> Double in
      let beside = sample.prompt < CacheFormat.leastCentred ? 0 : meanBytes
      guard sample.steps > 0 else { return bytesPerToken * held(sample, 0) + beside }
      let sum = (1...sample.steps).reduce(0) { $0 + held(sample, $1) }
      return bytesPerToken * sum / Double(sample.steps) + beside
    }
    return means.mean ?? 0
  }

  /// What is held where nothing leaves.
  var everything: Double { mean { Double($0.prompt + $1) } }

  /// From the token counts alone; nil where the use depends on more.
  func solved(for strategy: any Budgeted) -> Solution? {
    guard !bytesChangeWithAge,
      strategy.tokensHeld(atStep: 1, afterPrompt: 1, headDimension: headDimension) != nil
    else { return nil }
    return solved { sample, tokens in
      var strategy = strategy
      strategy.budget = .tokens(Share.tokens(Double(tokens) / meanPrompt, of: sample.prompt))
      return {
        strategy.tokensHeld(
          atStep: $0, afterPrompt: sample.prompt, headDimension: headDimension) ?? 0
      }
    }
  }

  /// As if a budget of the prompt were all that leaves, and every decoded token stayed.
  var firstGuess: Solution {
    solved { sample, tokens in
      let kept = min(sample.prompt, Share.tokens(Double(tokens) / meanPrompt, of: sample.prompt))
      return { Double(kept + $0) }
    }
  }

  /// The number of tokens whose mean is next to the target.
  private func solved(
    _ held: (Lengths, _ budget: Int) -> (_ step: Int) -> Double
  ) -> Solution {
    func bytes(_ tokens: Int) -> Double {
      let bySample = Dictionary(
        samples.map { ($0, held($0, tokens)) }, uniquingKeysWith: { first, _ in first })
      return mean { sample, step in bySample[sample].map { $0(step) } ?? 0 }
    }
    if target >= everything {
      return Solution(
        tokens: .infinity, limit: isWithinTolerance(everything) ? nil : .capped)
    }
    let least = bytes(1)
    if least >= target {
      return isWithinTolerance(least)
        ? Solution(tokens: 1) : Solution(tokens: 1, limit: .infeasible, least: least)
    }
    let above = (1..<mostTokens).bisected { bytes($0) >= target }
    let below = max(1, above - 1)
    let isBelowNearer = target - bytes(below) <= bytes(above) - target
    return Solution(tokens: Double(isBelowNearer ? below : above))
  }

  func isWithinTolerance(_ bytes: Double) -> Bool {
    abs(bytes / target - 1) <= MatchStatus.tolerance
  }

  /// By measuring: a secant from pass to pass, and half of what is left between a budget that holds too little and one
  /// that holds too much where the secant leaves it; the nearest pass stays. Two or three passes where bytes grow evenly
  /// with the budget; at most eight where they bend, as when a method's heads fill up one after another.
  ///
  /// - Parameter measure: the mean bytes under a budget of so many tokens.
  func searched(_ measure: (_ tokens: Double) throws -> Double) rethrows -> Solution {
    var passes: [(tokens: Double, bytes: Double)] = []
    let most = Double(mostTokens)
    var (low, high) = (1.0, most)
    var next = min(firstGuess.tokens, most)
    while passes.count < Self.mostPasses {
      let bytes = try measure(next)
      let slope =
        passes.last.map { (bytes - $0.bytes) / (next - $0.tokens) } ?? bytesPerToken
      passes.append((next, bytes))
      if abs(bytes / target - 1) <= 0.1 * MatchStatus.tolerance { break }
      if bytes < target { low = max(low, next) } else { high = min(high, next) }
      let isMeasured = { (tokens: Double) in passes.contains { $0.tokens == tokens } }
      let wanted = min(most, max(1, (next + (target - bytes) / slope).rounded()))
      let isUseful = slope > 0 && wanted >= low && wanted <= high && !isMeasured(wanted)
      next = isUseful ? wanted : ((low + high) / 2).rounded()
      if isMeasured(next) { break }
    }
    guard
      let best = passes.min(by: { abs($0.bytes - target) < abs($1.bytes - target) })
    else { return firstGuess }
    if !isWithinTolerance(best.bytes) {
      if best.tokens == 1, best.bytes > target {
        return Solution(tokens: 1, limit: .infeasible, least: best.bytes)
      }
      if best.tokens == most, best.bytes < target {
        return Solution(tokens: .infinity, limit: .capped)
      }
    }
    return Solution(tokens: best.tokens)
  }
}

extension TaskSample {
  /// Of all its questions.
  var lateTokenCount: Int { turns.reduce(0) { $0 + $1.lateTokens.count } }

  /// Its tokens, as many decoded as there can be.
  var lengths: MeanBudget.Lengths {
    MeanBudget.Lengths(
      prompt: prompt.count,
      steps: lateTokenCount + max(0, forced.count - 1)
        + max(0, turns.count * greedyTokens - 1))
  }
}
