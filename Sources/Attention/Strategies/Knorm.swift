import Records

/// Knorm: the keys with the smallest norms stay.
///
/// Devoto et al. 2024, arXiv 2406.11430 (L2 norm compression); as in kvpress
/// (`presses/knorm_press.py`): score_j = −‖k_j‖₂ of the cached, rotated key. Queries do not matter.
///
/// Deviations: the newest token always stays, inside the budget (our caches never drop it), where
/// kvpress may drop it. The authors' repository (alessiodevoto/l2compress) can leave out layers
/// and, by default, prompts shorter than 2,048 tokens: kvpress and this one do not. Without a
/// budget half of the prompt stays, for want of a published default.
public struct Knorm: Scorer {
  public static let about = StrategyFacts(
    "knorm", "After the prompt, the keys with the smallest norms stay.", .simplified,
    source: "Devoto et al. 2024, arXiv 2406.11430; github.com/NVIDIA/kvpress")

  public init() {}

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.keyNorms(ofKVHead: kvHead).map { -Float($0) }
  }
}
