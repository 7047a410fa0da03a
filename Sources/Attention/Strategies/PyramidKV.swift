import Records

/// PyramidKV: SnapKV with more tokens in the lower layers than in the upper ones.
///
/// Cai et al. 2024, arXiv 2406.02069; repository Zefan-Cai/KVCache-Factory
/// (`pyramidkv/pyramidkv_utils.py`, `PyramidKVCluster`). With C the budget,
/// w = `observationWindow`, β = `steepness`, L layers and n prompt tokens: the last layer's budget
/// beside the window is min = ⌊(C − w)/β⌋, the first one's max = 2(C − w) − min; if max exceeds
/// n − w, max = n − w and min = 2(C − w) − max. Layer l keeps the window and the best ⌊max − l
/// (max − min)/(L − 1)⌋ of the other tokens, by SnapKV's scores. C is thus the mean over layers. If
/// n < 2(C − w), or C is no more than the window, every layer keeps C: the same as SnapKV; so does
/// a model of one layer, which has no slope.
///
/// The defaults are the source's class defaults (w 64, kernel 5, average, β 20) with scores per KV
/// head, the mean over its query heads (the source selects for each query head, which a cache of KV
/// heads cannot; its runs use w 8, kernel 7, maximum).
///
/// Deviations: the source rounds the step between layers down, so that its layers hold up to
/// (L − 1)/2 tokens more than C on average; here each layer's size is rounded down, and the mean is
/// at most C. kvpress (`presses/pyramidkv_press.py`) takes the window out of the layers' sizes and
/// is SnapKV wherever min < w.
public struct PyramidKV: Scorer {
  public static let about = StrategyFacts(
    "pyramidkv", "SnapKV with more tokens in the lower layers than in the upper ones.", .faithful,
    source: "Cai et al. 2024, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory")

  public var window = ObservedWindow()
  @Parameter(
    "what the mean budget beside the window is divided by to give the last layer's; 1: all layers alike",
    1...)
  public var steepness = 20

  public init() {}

  private enum CodingKeys: CodingKey { case steepness }

  public init(from decoder: any Decoder) throws {
    window = try ObservedWindow(from: decoder)
    steepness = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .steepness)
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public var observedQueries: Int { window.observationWindow }

  public func capacity(mean: Int, ofPrompt count: Int, layer: LayerView) -> Int {
    let layers = layer.shape.layers
    // Compared before anything is added up, since a budget may be any number.
    guard layers > 1, mean < count, mean > window.observationWindow else { return mean }
    let scored = mean - window.observationWindow
    guard count >= 2 * scored else { return mean }
    var least = scored / steepness
    var most = 2 * scored - least
    if most > count - window.observationWindow {
      most = count - window.observationWindow
      least = 2 * scored - most
    }
    return window.observationWindow
      + (most * (layers - 1) - layer.layer * (most - least)) / (layers - 1)
  }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    window.scores(layer, kvHead: kvHead)
  }
}
