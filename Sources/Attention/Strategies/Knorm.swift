import Records

/// Knorm: the keys with the smallest norms stay.
///
/// Devoto et al. 2024, arXiv 2406.11430 (L2 norm compression); as in kvpress
/// (`presses/knorm_press.py`): score_j = −‖k_j‖₂ of the cached, rotated key. Queries do not matter.
///
/// `skippedLayers` first layers keep everything, what is decoded too, as the authors evaluate it: 2 in
/// their repository (alessiodevoto/l2compress, `skip_layers` [0, 1]), 0 in kvpress and by default. The
/// other layers get what these leave of the budget, which is the mean over layers after the prompt.
/// Where that is less than a token for each, none is skipped.
///
/// Deviations: the newest token always stays, inside the budget (our caches never drop it), where
/// kvpress may drop it. The repository leaves out prompts shorter than 2,048 tokens: kvpress and
/// this one do not. Without a budget half of the prompt stays, for want of a published default.
public struct Knorm: Scorer {
  public static let about = StrategyFacts(
    "knorm", "After the prompt, the keys with the smallest norms stay.", .simplified,
    source: "Devoto et al. 2024, arXiv 2406.11430; github.com/NVIDIA/kvpress")

  @Parameter("first layers that keep everything, inside the budget", 0..., isLeftOutAtDefault: true)
  public var skippedLayers = 0

  public init() {}

  public func capacity(mean: Int, ofPrompt count: Int, layer: LayerView) -> Int {
    guard leavesLayersWhole, skippedLayers < layer.shape.layers else { return mean }
    // Limited before anything is multiplied, since a budget may be any number.
    let rest = Share.rest(
      ofMean: min(mean, count), layers: layer.shape.layers, exempt: skippedLayers, holding: count)
    guard rest > 0 else { return mean }
    return layer.layer < skippedLayers ? .max : mean < count ? rest : mean
  }

  public var leavesLayersWhole: Bool { skippedLayers > 0 }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.keyNorms(ofKVHead: kvHead).map { -Float($0) }
  }
}
