import Records
import Tensors

/// Tri-shape: A-shape, and the last queries of the prompt attend to everything; decode is dense.
///
/// As in MInference's SCBench baselines (Li et al. 2024, arXiv 2412.10319; microsoft/MInference,
/// `ops/streaming_kernel.py`, `tri_shape_kernel`): `initialTokens` is the repository's `n_init`
/// (128), `localWindow` its `n_local` (3968), the current token included, `lastQueries` its
/// `n_last` (100). Nothing leaves the cache. It takes no budget: what a query attends to depends on
/// whether it is one of the last.
public struct TriShape: SelectsInPrefill {
  public static let about = StrategyFacts(
    "tri-shape", "A-shape, and the prompt's last queries attend to everything; decode is dense.",
    .faithful, source: "Li et al. 2024, arXiv 2412.10319; github.com/microsoft/MInference")

  @Parameter("first tokens that every query attends to", 0...) public var initialTokens = 128
  @Parameter("most recent tokens that a query attends to, its own included", 1...)
  public var localWindow = 3968
  @Parameter("last queries of the prompt that attend to everything", 1...)
  public var lastQueries = 100

  public init() {}

  /// The last block is that of the dense queries.
  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: lastQueries, from: .lastToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    guard queries.upperBound <= layer.newestQuery else { return }
    selections.fill(with: .firstAndRecent(initialTokens, localWindow))
  }
}
