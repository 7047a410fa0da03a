import Records

/// Ada-SnapKV: SnapKV whose KV heads share a layer's budget by what their scores are worth.
///
/// Feng et al. 2024, arXiv 2407.11550; repositories FFY0/AdaKV (`snapkv_utils.py`,
/// `AdaptiveSnapKVCluster`) and NVIDIA/kvpress (`presses/adakv_press.py`). Scores are SnapKV's, of
/// each KV head: the mean over the last w = `observationWindow` queries, combined over the query
/// heads of its group, then pooled. With a budget of C tokens, the mean over a layer's G KV heads,
/// each head keeps the window and some c_h of the others, the best by score, G (C − w) in all. How
/// many, `allocation` says; α is `floorFraction`:
///
/// - `protected` (kvpress): each head is guaranteed its ⌊αC⌋ best tokens, including the window; the
///   rest of the budget goes to the best scores of the layer, whichever head they are in.
/// - `mixed` (the original): with c_h the tokens of head h among the G (C − w) best scores of the
///   layer, it gets (1 − α) c_h + α (C − w). The original rounds each, which may add up to more
///   than the budget; here the parts are rounded down and the tokens left over go to the largest
///   remainders.
///
/// `normalize` multiplies the scores of a head by the share that its C − w best have of their sum,
/// before heads are compared. The caches are ragged: each head holds exactly as many tokens as it
/// was given. The defaults are kvpress's (w 64, kernel 5, average, α 0.2). The original's runs:
/// `observationWindow` 32, `kernel` 7, `pooling` maximum, `allocation` mixed, and α 0.5 (0.2 is
/// suggested where query heads share keys, as here). Generated tokens stay.
public struct AdaKV: Scorer {
  public enum Allocation: String, ParameterChoice { case protected, mixed }

  public static let about = StrategyFacts(
    "adakv", "SnapKV whose KV heads share a layer's budget by what their scores are worth.",
    .faithful, source: "Feng et al. 2024, arXiv 2407.11550; github.com/FFY0/AdaKV")

  public var window = ObservedWindow(first: .aggregation)
  @Parameter(
    "protected: a floor for each head, the rest to the layer's best scores; mixed: each head's share of them, drawn towards equal shares"
  )
  public var allocation = Allocation.protected
  @Parameter("share of the mean budget that every head has in any case; 1: all heads alike", 0...1)
  public var floorFraction = 0.2
  @Parameter("heads are compared by scores scaled with the share that their best tokens have")
  public var normalize = false

  public init() {}

  private enum CodingKeys: CodingKey { case allocation, floorFraction, normalize }

  public init(from decoder: any Decoder) throws {
    window = try ObservedWindow(from: decoder)
    window.first = .aggregation
    let members = try decoder.container(keyedBy: CodingKeys.self)
    allocation = try members.decode(Allocation.self, forKey: .allocation)
    floorFraction = try members.decode(Double.self, forKey: .floorFraction)
    normalize = try members.decode(Bool.self, forKey: .normalize)
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public var observedQueries: Int { window.observationWindow }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    window.scores(layer, kvHead: kvHead)
  }

  public func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int] {
    shares(of: capacity - forced, forced: forced, scores.map { $0.dropLast(forced) })
      .map { $0 + forced }
  }

  /// How many tokens beside the forced ones each head keeps, `mean` on average.
  private func shares(of mean: Int, forced: Int, _ scores: [ArraySlice<Float>]) -> [Int] {
    let heads = scores.count
    guard mean > 0 else { return Array(repeating: 0, count: heads) }
    let compared = normalize ? scores.map { Self.scaled($0, best: mean) } : scores
    switch allocation {
    case .protected:
      let floor = Share.count(floorFraction, of: mean + forced)
      let safe = min(mean, max(0, floor - forced))
      return Self.counts(ofBest: heads * (mean - safe), in: compared, leavingOut: safe)
        .map { $0 + safe }
    case .mixed:
      let counts = Self.counts(ofBest: heads * mean, in: compared, leavingOut: 0)
      let parts = counts.map {
        (1 - floorFraction) * Double($0) + floorFraction * Double(mean)
      }
      return Self.rounded(parts, total: heads * mean)
    }
  }

  /// How many of the `count` best scores of all heads lie in each head, not counting each head's
  /// `leftOut` best.
  private static func counts(
    ofBest count: Int, in scores: [ArraySlice<Float>], leavingOut leftOut: Int
  ) -> [Int] {
    let width = scores.map(\.count).max() ?? 0
    var ranks: [ScoreRank] = []
    for (head, scores) in scores.enumerated() {
      var own = scores.enumerated().map {
        ScoreRank(score: $0.element, index: head * width + $0.offset)
      }
      own.moveLargestToFront(leftOut)
      ranks += own.dropFirst(leftOut)
    }
    ranks.moveLargestToFront(count)
    var counts = [Int](repeating: 0, count: scores.count)
    for rank in ranks.prefix(count) { counts[rank.index / width] += 1 }
    return counts
  }

  /// A head's scores times the share that its `count` best have of their sum.
  private static func scaled(_ scores: ArraySlice<Float>, best count: Int) -> ArraySlice<Float> {
    var ordered = Array(scores)
    ordered.moveLargestToFront(count)
    let total = scores.reduce(0) { $0 + Double($1) }
    guard total > 0 else { return scores }
    let share = Float(ordered.prefix(count).reduce(0) { $0 + Double($1) } / total)
    return ArraySlice(scores.map { $0 * share })
  }

  /// Whole numbers near `parts` that add up to `total`: rounded down, then the largest remainders
  /// up.
  private static func rounded(_ parts: [Double], total: Int) -> [Int] {
    // A part may be a whole number except for rounding.
    var counts = parts.map { Int(($0 + 1e-9).rounded(.down)) }
    var remainders = parts.indices.map {
      ScoreRank(score: Float(parts[$0] - Double(counts[$0])), index: $0)
    }
    let missing = total - counts.reduce(0, +)
    remainders.moveLargestToFront(missing)
    for rank in remainders.prefix(missing) { counts[rank.index] += 1 }
    return counts
  }
}
