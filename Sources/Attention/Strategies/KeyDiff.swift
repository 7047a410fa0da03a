import Records

/// KeyDiff: the keys that are least like the others stay.
///
/// Park et al. 2025, arXiv 2504.15364; as in kvpress (`presses/keydiff_press.py`): with the anchor
/// a = mean_j k_j/‖k_j‖₂ over all cached, rotated keys of a KV head, score_j = −cos(k_j, a).
///
/// Deviations: scored once over the whole prompt, where the paper goes block by block under a
/// memory limit (kvpress's `BlockPress`); the newest token always stays, inside the budget (our
/// caches never drop it), where kvpress may drop it. Without a budget half of the prompt stays, for
/// want of a published default.
public struct KeyDiff: Scorer {
  public static let about = StrategyFacts(
    "keydiff", "After the prompt, the keys that point away from their mean stay.", .simplified,
    source: "Park et al. 2025, arXiv 2504.15364; github.com/NVIDIA/kvpress")

  public init() {}

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.cosinesToMeanKey(ofKVHead: kvHead).map { -Float($0) }
  }
}
