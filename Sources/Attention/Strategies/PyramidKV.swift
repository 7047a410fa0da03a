import Records
import Tensors

/// PyramidKV: SnapKV with more tokens in the lower layers than in the upper ones.
///
/// Cai et al. 2024, arXiv 2406.02069; repository Zefan-Cai/KVCache-Factory (`pyramidkv/pyramidkv_utils.py`,
/// `PyramidKVCluster`). With C the budget, w = `observationWindow`, β = `steepness`, L layers and n prompt tokens: the
/// last layer's budget beside the window is min = ⌊(C − w)/β⌋, the first one's max = 2(C − w) − min; if max exceeds
/// n − w, max = n − w and min = 2(C − w) − max. Layer l keeps the window and the best ⌊max − l (max − min)/(L − 1)⌋ of the
/// other tokens, by SnapKV's scores. C is thus the mean over layers. If n < 2(C − w), or C is no more than the window,
/// every layer keeps C: the same as SnapKV; so does a model of one layer, which has no slope.
///
/// The defaults are the source's class defaults (w 64, kernel 5, average, β 20) with scores per KV head, the mean over
/// its query heads (the source selects for each query head, which a cache of KV heads cannot; its runs use w 8, kernel 7,
/// maximum).
///
/// Deviations: the source rounds the step between layers down, so that its layers hold up to (L − 1)/2 tokens more
/// than C on average; here each layer's size is rounded down, and the mean is at most C. kvpress
/// (`presses/pyramidkv_press.py`) takes the window out of the layers' sizes and is SnapKV wherever min < w.
public struct PyramidKV: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var observationWindow: Int
    public var kernel: Int
    public var pooling: ScorePooling.Method
    public var aggregation: GroupAggregation
    public var steepness: Int
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      observationWindow: Int = 64, kernel: Int = 5, pooling: ScorePooling.Method = .average,
      aggregation: GroupAggregation = .mean, steepness: Int = 20,
      retainedFraction: Double = RetentionBudget.defaultFraction, budget: Budget? = nil
    ) {
      self.observationWindow = observationWindow
      self.kernel = kernel
      self.pooling = pooling
      self.aggregation = aggregation
      self.steepness = steepness
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "pyramidkv",
    summary: "SnapKV with more tokens in the lower layers than in the upper ones.",
    phases: [.retention],
    parameters: ObservedWindow.parameters + [
      ParameterDescription(
        "steepness", .integer(minimum: 1, maximum: largestSize), default: .integer(20),
        "what the mean budget beside the window is divided by to give the last layer's; 1: all layers alike"
      ),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Cai et al. 2024, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory")

  public let budget: RetentionBudget
  private let window: ObservedWindow
  private let steepness: Int
  private let layers: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "pyramidkv")
    window = try ObservedWindow(
      size: configuration.observationWindow, kernel: configuration.kernel,
      pooling: configuration.pooling, aggregation: configuration.aggregation)
    steepness = try checkSize("steepness", configuration.steepness, atLeast: 1)
    layers = shape.layers
  }

  /// The tokens that a KV head of a layer keeps of a prompt, the window inside.
  public func capacity(ofPrompt count: Int, layer: Int) -> Int {
    let mean = budget.tokens(ofPrompt: count)
    // Compared before anything is added up: a budget may be any number.
    guard layers > 1, mean < count, mean > window.size else { return mean }
    let scored = mean - window.size
    guard count >= 2 * scored else { return mean }
    var least = scored / steepness
    var most = 2 * scored - least
    if most > count - window.size {
      most = count - window.size
      least = 2 * scored - most
    }
    return window.size + (most * (layers - 1) - layer * (most - least)) / (layers - 1)
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    window.score(layer, kvHead: kvHead, queryHeads: queryHeads, into: &scores)
  }
}
