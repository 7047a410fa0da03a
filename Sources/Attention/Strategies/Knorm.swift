import Records
import Tensors

/// Knorm: the keys with the smallest norms stay.
///
/// Devoto et al. 2024, arXiv 2406.11430 (L2 norm compression); as in kvpress (`presses/knorm_press.py`):
/// score_j = −‖k_j‖₂ of the cached, rotated key. Nothing of queries is looked at.
///
/// Deviations: the newest token always stays, inside the budget (our caches never let go of it), where kvpress may drop
/// it. The authors' repository (alessiodevoto/l2compress) can leave out layers and, by default, prompts shorter than
/// 2,048 tokens: kvpress and this one do not. Without a budget half of the prompt stays, for want of a published default.
public struct Knorm: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      retainedFraction: Double = RetentionBudget.defaultFraction, budget: Budget? = nil
    ) {
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "knorm", summary: "After the prompt, the keys with the smallest norms stay.",
    phases: [.retention], parameters: [RetentionBudget.parameter], budgets: RetentionBudget.forms,
    fidelity: .simplified,
    source: "Devoto et al. 2024, arXiv 2406.11430; github.com/NVIDIA/kvpress")

  public let budget: RetentionBudget

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "knorm")
  }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let keys = layer.heads[kvHead].keys
    for slot in 0..<keys.count { scores[slot] = -Float(norm(keys.row(slot))) }
  }
}

/// ‖row‖₂ in double precision.
func norm(_ row: Span<Float>) -> Double {
  var squares = 0.0
  for i in row.indices { squares += Double(row[i]) * Double(row[i]) }
  return squares.squareRoot()
}
