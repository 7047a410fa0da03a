import Records
import Tensors

/// H2O (heavy hitters): the most recent tokens stay, and of the others those that all queries so
/// far attended to most.
///
/// Zhang et al. 2023, arXiv 2306.14048; repository FMInference/H2O
/// (`h2o_hf/utils_real_drop/modify_llama.py`, `H2OKVCache_LayerWise`). The score of a cached token
/// is the sum of the attention it has received from every query so far: the column sums of the
/// prompt's causal attention matrix, then for each generated token one more row, over the keys that
/// the cache holds. After the prompt and after every step, a cache of more than `heavy` + `recent`
/// tokens keeps the newest `recent` and of the others the `heavy` with the highest scores, which
/// keep them. Causal and online: the statistics over later queries of the same repository's
/// `utils_lm_eval` simulate something else.
///
/// `heavyFraction` and `recentFraction` are the source's `heavy_ratio` and `recent_ratio` (0.1
/// each) of the prompt; a budget takes the place of both, shared 1 : 1, the odd token to the recent
/// ones. A KV head's score is the mean over its query heads (the source has no shared keys). A cut
/// takes place at the beginning of the following step, with the same tokens held whenever a query
/// attends; at least the newest token is recent. Fractions take effect with a prompt.
///
/// Costs a second pass over the prompt's attention: tiles of queries, spread over the threads.
public struct H2O: Retains, Budgeted {
  public static let about = StrategyFacts(
    "h2o",
    "The most recent tokens stay, and of the others those that all queries so far attended to most.",
    .faithful, source: "Zhang et al. 2023, arXiv 2306.14048; github.com/FMInference/H2O",
    budgets: Retention.budgetForms)

  @Parameter(
    "share of the prompt's tokens kept for the attention they had; a budget replaces it", 0...1,
    isReplacedByBudget: true)
  public var heavyFraction = 0.1
  @Parameter(
    "share of the prompt's tokens kept as the most recent ones; a budget replaces it", 0...1,
    isReplacedByBudget: true)
  public var recentFraction = 0.1
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try Retention.check(budget, of: Self.about.name)
  }

  public struct State: StrategyState {
    fileprivate var sizes: Sizes?
    /// By KV head and slot, the attention that each cached token has received from the queries up
    /// to `newestCounted`.
    fileprivate var scores: [[Double]]
    fileprivate var newestCounted = -1

    public var cacheBytes: Int {
      scores.reduce(0) { $0 + $1.count * MemoryLayout<Double>.size }
    }
  }

  /// How many tokens of either kind a KV head keeps.
  fileprivate struct Sizes: Sendable {
    let heavy: Int
    let recent: Int

    init(heavy: Int, recent: Int) {
      self.heavy = heavy
      self.recent = max(1, recent)
    }

    /// A budget in the proportion of the defaults.
    init(tokens: Int) {
      let tokens = max(1, tokens)
      self.init(heavy: tokens / 2, recent: tokens - tokens / 2)
    }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    var sizes: Sizes?
    if case .tokens(let tokens) = budget { sizes = Sizes(tokens: tokens) }
    return State(sizes: sizes, scores: Array(repeating: [], count: shape.kvHeads))
  }

  private func sizes(ofPrompt count: Int) -> Sizes {
    if case .tokens(let tokens) = budget { return Sizes(tokens: tokens) }
    return Sizes(
      heavy: Share.count(heavyFraction, of: count), recent: Share.count(recentFraction, of: count))
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { true }

  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? {
    let sizes = sizes(ofPrompt: promptTokens)
    return Retention.sliding(
      sizes.heavy + sizes.recent, atStep: step, afterPrompt: promptTokens)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    if layer.phase == .prefill, state.sizes == nil {
      state.sizes = sizes(ofPrompt: layer.queryCount)
    }
    // When the first step begins, the prompt's last query has already been counted.
    if layer.newestQuery > state.newestCounted {
      let sums =
        layer.phase == .prefill
        ? meanOfGroups(layer) { layer.columnSums(ofHead: $0) }
        : meanOfGroups(layer) { layer.softmaxRow(ofHead: $0).map(Double.init) }
      for head in sums.indices {
        state.scores[head].append(
          contentsOf: repeatElement(0, count: sums[head].count - state.scores[head].count))
        for slot in sums[head].indices { state.scores[head][slot] += sums[head][slot] }
      }
      state.newestCounted = layer.newestQuery
    }
    guard let sizes = state.sizes else { return }
    for (head, cache) in layer.heads.enumerated() {
      guard let slots = Self.survivors(state.scores[head], sizes) else { continue }
      var selection = Selection()
      for slot in slots { selection.keep(cache.position(ofSlot: slot)) }
      kept[head] = selection
      state.scores[head] = slots.map { state.scores[head][$0] }
    }
  }

  /// The slots that stay, ascending; nil if all do.
  private static func survivors(_ scores: [Double], _ sizes: Sizes) -> [Int]? {
    guard scores.count - sizes.recent > sizes.heavy else { return nil }
    let recent = scores.count - sizes.recent
    var ranks = (0..<recent).map { ScoreRank(score: Float(scores[$0]), index: $0) }
    ranks.moveLargestToFront(sizes.heavy)
    return ranks.prefix(sizes.heavy).map(\.index).sorted() + Array(recent..<scores.count)
  }

  /// By KV head, the mean over its query heads of the attention that each cached token receives.
  private func meanOfGroups(
    _ layer: LayerView, _ received: (_ queryHead: Int) -> [Double]
  ) -> [[Double]] {
    let shape = layer.shape
    let sums = layer.forEachQueryHead(received)
    let share = 1 / Double(shape.queryHeadsPerKVHead)
    return (0..<shape.kvHeads).map { kvHead in
      sums[shape.queryHeads(of: kvHead).lowerBound].indices.map { slot in
        shape.queryHeads(of: kvHead).reduce(0) { $0 + sums[$1][slot] } * share
      }
    }
  }
}
