import Records
import Tensors

/// Ada-SnapKV: SnapKV whose KV heads share a layer's budget by what their scores are worth.
///
/// Feng et al. 2024, arXiv 2407.11550; repositories FFY0/AdaKV (`snapkv_utils.py`, `AdaptiveSnapKVCluster`) and
/// NVIDIA/kvpress (`presses/adakv_press.py`). Scores are SnapKV's, of each KV head: the mean over the last w =
/// `observationWindow` queries, combined over the query heads of its group, then pooled. With a budget of C tokens, the
/// mean over a layer's G KV heads, each head keeps the window and some c_h of the others, the best by score, G (C − w) in
/// all. How many, `allocation` says; α is `floorFraction`:
///
/// - `protected` (kvpress): each head has its ⌊αC⌋ best tokens, window included, in any case; the rest of the budget goes
///   to the best scores of the layer, whichever head they are in.
/// - `mixed` (the original): with c_h the tokens of head h among the G (C − w) best scores of the layer, it gets
///   (1 − α) c_h + α (C − w). The original rounds each, which may add up to more than the budget; here the parts are
///   rounded down and the tokens left over go to the largest remainders.
///
/// `normalize` multiplies the scores of a head by the share that its C − w best have of their sum, before heads are
/// compared. The caches are ragged: heads hold different numbers of tokens, and only those. The defaults are kvpress's
/// (w 64, kernel 5, average, α 0.2). The original's runs: `observationWindow` 32, `kernel` 7, `pooling` maximum, `allocation`
/// mixed, and α 0.5 (0.2 is suggested where query heads share keys, as here). Generated tokens stay.
public struct AdaKV: ScoringStrategy {
  public enum Allocation: String, Codable, Hashable, Sendable, CaseIterable {
    case protected, mixed
  }

  public struct Configuration: Codable, Hashable, Sendable {
    public var observationWindow: Int
    public var kernel: Int
    public var pooling: ScorePooling.Method
    public var aggregation: GroupAggregation
    public var allocation: Allocation
    public var floorFraction: Double
    public var normalize: Bool
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      observationWindow: Int = 64, kernel: Int = 5, pooling: ScorePooling.Method = .average,
      aggregation: GroupAggregation = .mean, allocation: Allocation = .protected,
      floorFraction: Double = 0.2, normalize: Bool = false,
      retainedFraction: Double = RetentionBudget.defaultFraction, budget: Budget? = nil
    ) {
      self.observationWindow = observationWindow
      self.kernel = kernel
      self.pooling = pooling
      self.aggregation = aggregation
      self.allocation = allocation
      self.floorFraction = floorFraction
      self.normalize = normalize
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "adakv",
    summary: "SnapKV whose KV heads share a layer's budget by what their scores are worth.",
    phases: [.retention],
    parameters: ObservedWindow.parameters + [
      ParameterDescription(
        "allocation", .choice(Allocation.allCases.map(\.rawValue)), default: .string("protected"),
        "protected: a floor for each head, the rest to the layer's best scores; mixed: each head's share of them, drawn towards equal shares"
      ),
      ParameterDescription(
        "floorFraction", .number(minimum: 0, maximum: 1), default: .number(0.2),
        "share of the mean budget that every head has in any case; 1: all heads alike"),
      ParameterDescription(
        "normalize", .boolean, default: .boolean(false),
        "heads are compared by scores scaled with the share that their best tokens have"),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Feng et al. 2024, arXiv 2407.11550; github.com/FFY0/AdaKV")

  public let budget: RetentionBudget
  private let window: ObservedWindow
  private let allocation: Allocation
  private let floorFraction: Double
  private let normalizes: Bool

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "adakv")
    window = try ObservedWindow(
      size: configuration.observationWindow, kernel: configuration.kernel,
      pooling: configuration.pooling, aggregation: configuration.aggregation, first: .aggregation)
    guard (0...1).contains(configuration.floorFraction) else {
      throw ConfigurationError(
        "floorFraction", "\(configuration.floorFraction) is out of range; use a number from 0 to 1")
    }
    allocation = configuration.allocation
    floorFraction = configuration.floorFraction
    normalizes = configuration.normalize
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    window.score(layer, kvHead: kvHead, queryHeads: queryHeads, into: &scores)
  }

  /// After the prompt, when every head holds all of it.
  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout ScoringState,
    workspace: Workspace
  ) {
    let count = layer.newestQuery + 1
    let capacity = budget.tokens(ofPrompt: count)
    guard capacity < count else { return }
    let scores = scores(layer, workspace: workspace)
    let forced = window.forcedTokens.limited(to: capacity).newest
    let shares = shares(
      of: capacity - forced, forced: forced, scores.map { $0.dropLast(forced) })
    for (head, cache) in layer.heads.enumerated() {
      kept[head] = best(forced + shares[head], of: cache, by: scores[head])
    }
  }

  /// How many tokens beside the forced ones each head keeps, `mean` on average.
  private func shares(of mean: Int, forced: Int, _ scores: [ArraySlice<Float>]) -> [Int] {
    let heads = scores.count
    guard mean > 0 else { return Array(repeating: 0, count: heads) }
    let compared = normalizes ? scores.map { Self.scaled($0, best: mean) } : scores
    switch allocation {
    case .protected:
      let floor = Int((floorFraction * Double(mean + forced)).rounded(.down))
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

  /// How many of the `count` best scores of all heads lie in each, the `leftOut` best of each head not taken into account.
  private static func counts(
    ofBest count: Int, in scores: [ArraySlice<Float>], leavingOut leftOut: Int
  ) -> [Int] {
    let width = scores.first?.count ?? 0
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

  /// Whole numbers near `parts` that add up to `total`: rounded down, then the largest remainders up.
  private static func rounded(_ parts: [Double], total: Int) -> [Int] {
    // A part may be whole but for rounding.
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
