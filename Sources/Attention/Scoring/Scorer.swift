import Records
import Tensors

/// A method that scores each cached token and keeps the best within a budget; the framework does
/// everything but the scoring.
///
/// The prompt is attended densely; after it each KV head keeps its forced tokens and, of the
/// others, those with the highest scores (the earlier on ties), as many as `budget` or
/// `retainedFraction` allows. Generated tokens are appended and stay, unless the method evicts in
/// decode too or the parameter `evictEvery` says after how many of them the cache is scored anew and
/// cut back. The newest token is always forced: it is part of the budget, and a cache never drops
/// it.
public protocol Scorer: ParameterGroup {
  static var about: StrategyFacts { get }

  /// Every parameter at its default.
  init()

  /// The score of each token that a KV head holds, in the order of its slots; higher scores stay,
  /// NaN counts as lowest, and scores of forced tokens are ignored.
  ///
  /// Called for several KV heads at once, so it must not depend on the others.
  func scores(_ layer: LayerView, kvHead: Int) -> [Float]

  /// Throws if parameters contradict each other; their ranges have already been checked.
  func check(for shape: AttentionShape) throws(ConfigurationError)

  /// The tokens that stay whatever their score, when a KV head holds `count`.
  func forcedTokens(of count: Int) -> ForcedTokens

  /// Tokens that each KV head of this layer keeps of a prompt of `count`, given a budget of `mean`
  /// on average over layers; `.max` for a layer that keeps everything, what is decoded too.
  func capacity(mean: Int, ofPrompt count: Int, layer: LayerView) -> Int

  /// Whether some layers keep everything; false by default. Then what a mean over layers holds
  /// while they grow depends on how many these are.
  var leavesLayersWhole: Bool { get }

  /// Tokens that each KV head keeps: `capacity` on average, at least `forced` each.
  func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int]

  /// Whether the cache is cut back to the budget of the prompt before every decode step.
  var evictsInDecode: Bool { get }

  /// How many of the newest queries the scores of a cut in decode look at; 1 by default. The view
  /// shows the prompt's queries after a prompt, and these, as far as they were decoded since the last
  /// cut, when `evictEvery` is due.
  var observedQueries: Int { get }

  /// Whose scores a KV head ranks its tokens by.
  var ranking: ScoreRanking { get }
}

public enum ScoreRanking: Sendable, Hashable {
  /// Each KV head ranks by its own scores.
  case perKVHead
  /// All KV heads of a layer rank a token by the mean of its scores in those that hold it; heads
  /// that hold the same positions keep the same ones.
  case layerMean
}

extension Scorer {
  public init(_ change: (inout Self) throws -> Void) rethrows {
    self.init()
    try change(&self)
  }

  public func check(for shape: AttentionShape) throws(ConfigurationError) {}
  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens() }
  public func capacity(mean: Int, ofPrompt count: Int, layer: LayerView) -> Int { mean }
  public var leavesLayersWhole: Bool { false }
  public func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int] {
    Array(repeating: capacity, count: scores.count)
  }
  public var evictsInDecode: Bool { false }
  public var observedQueries: Int { 1 }
  public var ranking: ScoreRanking { .perKVHead }
}

/// The first and the newest tokens of a cache, kept before others, inside the budget.
public struct ForcedTokens: Sendable, Hashable {
  public var first: Int
  public var newest: Int

  public init(first: Int = 0, newest: Int = 1) {
    self.first = first
    self.newest = newest
  }

  /// The same, limited to a budget: the newest token has priority over the first ones, and these
  /// over the other newest ones.
  func limited(to capacity: Int) -> ForcedTokens {
    let first = min(max(0, self.first), capacity - 1)
    return ForcedTokens(first: first, newest: min(max(1, newest), capacity - first))
  }
}
