import Records

/// SnapKV: the tokens that the prompt's last queries attend to stay, with those queries' own
/// window.
///
/// Li et al. 2024, arXiv 2404.14469; repositories FasterDecoding/SnapKV (`snapkv_utils.py`) and
/// NVIDIA/kvpress (`presses/snapkv_press.py`). With w = `observationWindow`, for each query head:
/// the causal softmax rows of the last w queries over all keys; their mean; for the keys before the
/// window, pooled with stride 1 over `kernel` keys (average: zeros beyond both ends count; maximum:
/// they do not). The results of a KV head's query heads are combined by `aggregation`. The budget
/// keeps the last w tokens and the best of the others. Once, after the prompt.
///
/// The defaults are kvpress's (64, 5, average, mean over the group). The original's LongBench runs
/// are `observationWindow` 32, `kernel` 7, `pooling` maximum; it sums over queries where this is
/// the mean (the same order), and selects for each query head, which a cache of KV heads cannot.
/// `aggregation` maximum keeps what one query head of the group wants.
///
/// Where the sources say nothing or fail: a prompt of at most w tokens keeps its newest tokens, as
/// a budget smaller than the window does; an even kernel reaches one key further back than forward.
/// Without a budget half of the prompt stays (the original's capacities of 320 to 4,096 are
/// `{"tokens": …}`).
public struct SnapKV: Scorer {
  public static let about = StrategyFacts(
    "snapkv",
    "After the prompt, the tokens that its last queries attend to stay, and their window.",
    .faithful, source: "Li et al. 2024, arXiv 2404.14469; github.com/NVIDIA/kvpress")

  public var window = ObservedWindow()

  public init() {}

  public init(from decoder: any Decoder) throws { window = try ObservedWindow(from: decoder) }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public var observedQueries: Int { window.observationWindow }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    window.scores(layer, kvHead: kvHead)
  }
}
