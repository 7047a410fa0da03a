import Records

/// TOVA: of a full cache, the token that the newest query attends to least leaves.
///
/// Oren et al. 2024, arXiv 2401.06104; repository schwartz-lab-NLP/TOVA (`src/tova_cache.py`). The
/// newest query's softmax row, mean over all query heads of the layer; the best `cache_size` (here
/// the budget) positions stay, the same for every head. After the prompt, and with `decode` before
/// each further step, so that the cache never grows beyond its budget; without, once (kvpress's
/// `tova_press.py`). No sinks, no window.
///
/// The newest token itself always stays, inside the budget, as in kvpress; the original may drop
/// it. The original cuts the cache at the end of a step, this at the beginning of the next one, by
/// the same query. A head's row is that over the keys the cache holds. Without a budget half of the
/// prompt stays, for want of a published default.
public struct TOVA: Scorer {
  public static let about = StrategyFacts(
    "tova", "The tokens that the newest query attends to stay, the same in all heads of a layer.",
    .faithful,
    source: "Oren et al. 2024, arXiv 2401.06104; github.com/schwartz-lab-NLP/TOVA")

  @Parameter("the cache is cut back at every decode step too, as in the original")
  public var decode = true

  public init() {}

  public var evictsInDecode: Bool { decode }

  public var ranking: ScoreRanking { .layerMean }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.mean(over: layer.shape.queryHeads(of: kvHead)) { layer.softmaxRow(ofHead: $0) }
  }
}
