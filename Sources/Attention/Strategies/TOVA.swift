import Kernels
import Records
import Tensors

/// TOVA: of a full cache, the token that the newest query attends to least leaves.
///
/// Oren et al. 2024, arXiv 2401.06104; repository schwartz-lab-NLP/TOVA (`src/tova_cache.py`). The newest query's
/// softmax row, mean over all query heads of the layer; the best `cache_size` (here the budget) positions stay, the
/// same for every head. After the prompt, and with `decode` before each further step, so that the cache never grows
/// beyond its budget; without, once (kvpress's `tova_press.py`). No sinks, no window.
///
/// The newest token itself always stays, inside the budget, as in kvpress; the original may drop it. The original cuts
/// the cache at the end of a step, this at the beginning of the next one, by the same query. A head's row is that over
/// the keys the cache holds. Without a budget half of the prompt stays, for want of a published default.
public struct TOVA: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var decode: Bool
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      decode: Bool = true, retainedFraction: Double = RetentionBudget.defaultFraction,
      budget: Budget? = nil
    ) {
      self.decode = decode
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "tova",
    summary: "The tokens that the newest query attends to stay, the same in all heads of a layer.",
    phases: [.retention],
    parameters: [
      ParameterDescription(
        "decode", .boolean, default: .boolean(true),
        "the cache is cut back at every decode step too, as in the original"),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Oren et al. 2024, arXiv 2401.06104; github.com/schwartz-lab-NLP/TOVA")

  public let budget: RetentionBudget
  public let evictsInDecode: Bool

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "tova")
    evictsInDecode = configuration.decode
  }

  public var ranking: ScoreRanking { .layerMean }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let keys = layer.heads[kvHead].keys
    var row = scores
    for head in queryHeads {
      AttentionWeights.softmax(
        query: layer.query(head: head, at: layer.newestQuery), keys: keys, visible: keys.count,
        into: &row)
      GroupAggregation.mean.add(row, to: &scores)
    }
    GroupAggregation.mean.finish(&scores, heads: queryHeads.count)
  }
}
