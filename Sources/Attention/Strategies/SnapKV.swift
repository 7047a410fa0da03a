import Records
import Tensors

/// SnapKV: the tokens that the prompt's last queries attend to stay, with those queries' own window.
///
/// Li et al. 2024, arXiv 2404.14469; repositories FasterDecoding/SnapKV (`snapkv_utils.py`) and NVIDIA/kvpress
/// (`presses/snapkv_press.py`). With w = `observationWindow`, for each query head: the causal softmax rows of the last
/// w queries over all keys; their mean; for the keys before the window, pooled with stride 1 over `kernel` keys
/// (average: zeros beyond both ends count; maximum: they do not). The results of a KV head's query heads are
/// combined by `aggregation`. The budget keeps the last w tokens and the best of the others. Once, after the prompt.
///
/// The defaults are kvpress's (64, 5, average, mean over the group). The original's LongBench runs are `observationWindow`
/// 32, `kernel` 7, `pooling` maximum; it sums over queries where this is the mean (the same order), and selects for each
/// query head, which a cache of KV heads cannot. `aggregation` maximum keeps what one query head of the group wants.
///
/// Where the sources are silent or refuse: a prompt of at most w tokens keeps its newest tokens, as a budget smaller
/// than the window does; an even kernel reaches one key further back than forward. Without a budget half of the prompt
/// stays (the original's capacities of 320 to 4,096 are `{"tokens": …}`).
public struct SnapKV: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var observationWindow: Int
    public var kernel: Int
    public var pooling: ScorePooling.Method
    public var aggregation: GroupAggregation
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      observationWindow: Int = 64, kernel: Int = 5, pooling: ScorePooling.Method = .average,
      aggregation: GroupAggregation = .mean,
      retainedFraction: Double = RetentionBudget.defaultFraction, budget: Budget? = nil
    ) {
      self.observationWindow = observationWindow
      self.kernel = kernel
      self.pooling = pooling
      self.aggregation = aggregation
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "snapkv",
    summary: "After the prompt, the tokens that its last queries attend to stay, and their window.",
    phases: [.retention],
    parameters: ObservedWindow.parameters + [RetentionBudget.parameter],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Li et al. 2024, arXiv 2404.14469; github.com/NVIDIA/kvpress")

  public let budget: RetentionBudget
  private let window: ObservedWindow

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "snapkv")
    window = try ObservedWindow(
      size: configuration.observationWindow, kernel: configuration.kernel,
      pooling: configuration.pooling, aggregation: configuration.aggregation)
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    window.score(layer, kvHead: kvHead, queryHeads: queryHeads, into: &scores)
  }
}
