import Kernels
import Records
import Synchronization
import Tensors

/// H2O (heavy hitters): the most recent tokens stay, and of the others those that all queries so far attended to most.
///
/// Zhang et al. 2023, arXiv 2306.14048; repository FMInference/H2O (`h2o_hf/utils_real_drop/modify_llama.py`,
/// `H2OKVCache_LayerWise`). The score of a cached token is the sum of the attention that it has had from every query so
/// far: the column sums of the prompt's causal attention matrix, then for each generated token one more row, over the
/// keys that the cache holds. After the prompt and after every step, a cache of more than `heavy` + `recent` tokens
/// keeps the newest `recent` and of the others the `heavy` with the highest scores, which keep them. Causal and online:
/// the statistics over later queries of the same repository's `utils_lm_eval` are a simulation of something else.
///
/// `heavyFraction` and `recentFraction` are the source's `heavy_ratio` and `recent_ratio` (0.1 each) of the prompt; a budget
/// takes the place of both, shared 1 : 1, the odd token to the recent ones. A KV head's score is the mean over its query
/// heads (the source has no shared keys). A cut follows its step at the beginning of the next one, with the same tokens
/// held while any query attends; at least the newest token is recent. Without a prompt fractions wait.
///
/// Costs a second pass over the prompt's attention: tiles of queries, spread over the threads.
public struct H2O: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var heavyFraction: Double
    public var recentFraction: Double
    public var budget: Budget?

    public init(
      heavyFraction: Double = 0.1, recentFraction: Double = 0.1, budget: Budget? = nil
    ) {
      self.heavyFraction = heavyFraction
      self.recentFraction = recentFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "h2o",
    summary:
      "The most recent tokens stay, and of the others those that all queries so far attended to most.",
    phases: [.retention],
    parameters: [
      ParameterDescription(
        "heavyFraction", .number(minimum: 0, maximum: 1), default: .number(0.1),
        "share of the prompt's tokens kept for the attention they had; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "recentFraction", .number(minimum: 0, maximum: 1), default: .number(0.1),
        "share of the prompt's tokens kept as the most recent ones; a budget replaces it",
        isReplacedByBudget: true),
    ],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Zhang et al. 2023, arXiv 2306.14048; github.com/FMInference/H2O")

  /// What is remembered of one sequence and layer.
  public struct State: Sendable {
    fileprivate var sizes: Sizes?
    /// By KV head and slot, what each cached token has had from the queries up to `newestCounted`.
    fileprivate var scores: [[Double]]
    fileprivate var newestCounted = -1
  }

  /// How many tokens of either kind a KV head keeps.
  fileprivate struct Sizes: Sendable, Hashable {
    let heavy: Int
    let recent: Int

    init(heavy: Int, recent: Int) {
      self.heavy = heavy
      self.recent = max(1, recent)
    }

    /// A budget in the proportion of the defaults.
    init(tokens: Int) { self.init(heavy: tokens / 2, recent: tokens - tokens / 2) }
  }

  private let budget: RetentionBudget?
  private let heavy: Double
  private let recent: Double
  private let kvHeads: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    for (name, value) in [
      ("heavyFraction", configuration.heavyFraction),
      ("recentFraction", configuration.recentFraction),
    ] {
      guard (0...1).contains(value) else {
        throw ConfigurationError(name, "\(value) is out of range; use a number from 0 to 1")
      }
    }
    budget =
      configuration.budget == nil
      ? nil : try RetentionBudget(configuration.budget, retainedFraction: 1, of: "h2o")
    heavy = configuration.heavyFraction
    recent = configuration.recentFraction
    kvHeads = shape.kvHeads
  }

  public func makeState(layer: Int) -> State {
    var sizes: Sizes?
    if case .tokens(let tokens) = budget { sizes = Sizes(tokens: tokens) }
    return State(sizes: sizes, scores: Array(repeating: [], count: kvHeads))
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { true }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    if layer.phase == .prefill { state.sizes = sizes(ofPrompt: layer.newestQuery + 1) }
    // The prompt's last query has been counted with the prompt when the first step begins.
    if layer.newestQuery > state.newestCounted {
      let sums =
        layer.phase == .prefill ? columnSums(layer, workspace) : newestRows(layer, workspace)
      for head in 0..<kvHeads {
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

  private func sizes(ofPrompt count: Int) -> Sizes {
    if let budget { return Sizes(tokens: budget.tokens(ofPrompt: count)) }
    func share(_ fraction: Double) -> Int { Int((fraction * Double(count)).rounded(.down)) }
    return Sizes(heavy: share(heavy), recent: share(recent))
  }

  /// The slots that stay, ascending; nil if all do.
  private static func survivors(_ scores: [Double], _ sizes: Sizes) -> [Int]? {
    guard scores.count - sizes.recent > sizes.heavy else { return nil }
    let recent = scores.count - sizes.recent
    var ranks = (0..<recent).map { ScoreRank(score: Float(scores[$0]), index: $0) }
    ranks.moveLargestToFront(sizes.heavy)
    return ranks.prefix(sizes.heavy).map(\.index).sorted() + Array(recent..<scores.count)
  }

  // MARK: Attention received

  /// Of every query of the prompt, by KV head and slot.
  private func columnSums(_ layer: LayerView, _ workspace: Workspace) -> [[Double]] {
    let d = layer.shape.headDimension
    return meanOfGroups(layer, workspace) { queryHead, keys in
      RetainedMass(
        queries: layer.queries, columns: queryHead * d..<(queryHead + 1) * d, keys: keys,
        window: .everything, choices: []
      ).columnSums
    }
  }

  /// Of the newest query.
  private func newestRows(_ layer: LayerView, _ workspace: Workspace) -> [[Double]] {
    meanOfGroups(layer, workspace) { queryHead, keys in
      var row = [Float](repeating: 0, count: keys.count)
      AttentionWeights.softmax(
        query: layer.query(head: queryHead, at: layer.newestQuery), keys: keys,
        visible: keys.count, into: &row)
      return row.map(Double.init)
    }
  }

  private func meanOfGroups(
    _ layer: LayerView, _ workspace: Workspace, _ received: (Int, Rows) -> [Double]
  ) -> [[Double]] {
    let shape = layer.shape
    let found = Mutex([[Double]](repeating: [], count: shape.queryHeads))
    workspace.workers.run(count: shape.queryHeads) { queryHead, _ in
      let sums = received(queryHead, layer.heads[shape.kvHead(of: queryHead)].keys)
      found.withLock { $0[queryHead] = sums }
    }
    let sums = found.withLock { $0 }
    let share = 1 / Double(shape.queryHeadsPerKVHead)
    return (0..<shape.kvHeads).map { kvHead in
      sums[shape.queryHeads(of: kvHead).lowerBound].indices.map { slot in
        shape.queryHeads(of: kvHead).reduce(0) { $0 + sums[$1][slot] } * share
      }
    }
  }
}
