import Synchronization
import Tensors

/// A method that gives each cached token a score and keeps the best of a budget: the framework does all but the score.
///
/// The prompt is attended densely; after it each KV head keeps its forced tokens and, of the others, those with the
/// highest scores (of equal ones the earlier), as many as the budget allows. Generated tokens are appended and stay,
/// unless the method evicts in decode too.
///
/// The newest token is always forced: it is part of the budget, and a cache never lets go of it.
public protocol ScoringStrategy: AttentionStrategy where State == ScoringState {
  var budget: RetentionBudget { get }

  /// Tokens that a KV head of a layer keeps of a prompt of `count` tokens; the budget where a method says nothing else.
  func capacity(ofPrompt count: Int, layer: Int) -> Int

  /// Whether the cache is cut back to the budget of the prompt before every decode step.
  var evictsInDecode: Bool { get }

  /// Whose scores a KV head ranks its tokens by.
  var ranking: ScoreRanking { get }

  /// The tokens that stay whatever their score, when a KV head holds `count`.
  func forcedTokens(of count: Int) -> ForcedTokens

  /// Writes the score of each token that a KV head holds, higher for what should stay; NaN counts as lowest.
  ///
  /// Called for several KV heads at once, so it must not depend on the others.
  ///
  /// - Parameters:
  ///   - queryHeads: the query heads that read the KV head.
  ///   - scores: by slot, one for each token held; zeros on entry. Those of forced tokens do not matter.
  func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float])
}

/// What is remembered of one sequence and layer.
public struct ScoringState: Sendable {
  /// Tokens that a KV head may hold; nil while that waits for a prompt.
  var capacity: Int?
}

public enum ScoreRanking: Sendable, Hashable {
  /// Each KV head ranks by its own scores.
  case perKVHead
  /// All KV heads of a layer rank by the mean of their scores, and so keep the same positions.
  case layerMean
}

/// The first and the newest tokens of a cache, kept before others, inside the budget.
public struct ForcedTokens: Sendable, Hashable {
  public var first: Int
  public var newest: Int

  public init(first: Int = 0, newest: Int = 1) {
    self.first = first
    self.newest = newest
  }

  /// The same cut to a budget: the newest token comes before the first ones, these before the other newest ones.
  func limited(to capacity: Int) -> ForcedTokens {
    let first = min(self.first, capacity - 1)
    return ForcedTokens(first: first, newest: min(max(1, newest), capacity - first))
  }
}

extension ScoringStrategy {
  public func capacity(ofPrompt count: Int, layer: Int) -> Int { budget.tokens(ofPrompt: count) }

  public var evictsInDecode: Bool { false }

  public var ranking: ScoreRanking { .perKVHead }

  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens() }

  public func makeState(layer: Int) -> ScoringState {
    if case .tokens(let tokens) = budget { ScoringState(capacity: tokens) } else { ScoringState() }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { evictsInDecode ? 1 : .max }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    phase == .prefill || evictsInDecode
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout ScoringState,
    workspace: Workspace
  ) {
    if layer.phase == .prefill {
      state.capacity = capacity(ofPrompt: layer.newestQuery + 1, layer: layer.layer)
    }
    guard let capacity = state.capacity, layer.heads.contains(where: { $0.count > capacity })
    else { return }
    let scores = scores(layer, workspace: workspace)
    switch ranking {
    case .perKVHead:
      let chosen = Mutex(kept.selections)
      workspace.workers.run(count: layer.heads.count) { kvHead, _ in
        let selection = best(capacity, of: layer.heads[kvHead], by: scores[kvHead])
        chosen.withLock { $0[kvHead] = selection }
      }
      kept.selections = chosen.withLock { $0 }
    case .layerMean:
      let selection = best(capacity, of: layer.heads[0], by: mean(scores))
      for head in 0..<kept.count { kept[head] = selection }
    }
  }

  /// The scores of every KV head's tokens, worked out on all threads.
  func scores(_ layer: LayerView, workspace: Workspace) -> [[Float]] {
    let scored = Mutex([[Float]](repeating: [], count: layer.heads.count))
    workspace.workers.run(count: layer.heads.count) { kvHead, _ in
      var scores = [Float](repeating: 0, count: layer.heads[kvHead].count)
      score(
        layer, kvHead: kvHead, queryHeads: layer.shape.queryHeads(of: kvHead), into: &scores)
      scored.withLock { $0[kvHead] = scores }
    }
    return scored.withLock { $0 }
  }

  /// In double precision, so that the order of the heads leaves no trace.
  private func mean(_ scores: [[Float]]) -> [Float] {
    let share = 1 / Double(scores.count)
    return scores[0].indices.map { slot in
      Float(scores.reduce(0) { $0 + Double($1[slot]) } * share)
    }
  }

  /// The forced tokens of a head and its best others, `capacity` in all.
  func best(_ capacity: Int, of head: KVHead, by scores: [Float]) -> Selection {
    let count = head.count
    guard capacity < count else { return .everything }
    let forced = forcedTokens(of: count).limited(to: capacity)
    let others = forced.first..<count - forced.newest
    var keeps = [Bool](repeating: true, count: count)
    for slot in others { keeps[slot] = false }
    var ranks = others.map { ScoreRank(score: scores[$0], index: $0) }
    let wanted = capacity - forced.first - forced.newest
    ranks.moveLargestToFront(wanted)
    for rank in ranks.prefix(wanted) { keeps[rank.index] = true }
    var selection = Selection()
    for slot in 0..<count where keeps[slot] { selection.keep(head.position(ofSlot: slot)) }
    return selection
  }
}
