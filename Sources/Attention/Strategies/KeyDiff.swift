import Records
import Tensors

/// KeyDiff: the keys that are least like the others stay.
///
/// Park et al. 2025, arXiv 2504.15364; as in kvpress (`presses/keydiff_press.py`): with the anchor
/// a = mean_j k_j/‖k_j‖₂ over all cached, rotated keys of a KV head, score_j = −cos(k_j, a).
///
/// Deviations: scored once over the whole prompt, where the paper goes block by block under a memory limit (kvpress's
/// `BlockPress`); the newest token always stays, inside the budget (our caches never let go of it), where kvpress may
/// drop it. Without a budget half of the prompt stays, for want of a published default.
public struct KeyDiff: ScoringStrategy {
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
    name: "keydiff", summary: "After the prompt, the keys that point away from their mean stay.",
    phases: [.retention], parameters: [RetentionBudget.parameter], budgets: RetentionBudget.forms,
    fidelity: .simplified, source: "Park et al. 2025, arXiv 2504.15364; github.com/NVIDIA/kvpress")

  public let budget: RetentionBudget

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "keydiff")
  }

  /// A key of length 0 has cosine 0.
  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let keys = layer.heads[kvHead].keys
    let d = keys.width
    var lengths = [Double](repeating: 0, count: keys.count)
    var anchor = [Double](repeating: 0, count: d)
    for slot in 0..<keys.count {
      let key = keys.row(slot)
      lengths[slot] = norm(key)
      guard lengths[slot] > 0 else { continue }
      let scale = 1 / lengths[slot]
      for i in 0..<d { anchor[i] += Double(key[i]) * scale }
    }
    // The anchor's own length divides all scores alike.
    let anchorLength = anchor.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for slot in 0..<keys.count where lengths[slot] > 0 && anchorLength > 0 {
      let key = keys.row(slot)
      var product = 0.0
      for i in 0..<d { product += Double(key[i]) * anchor[i] }
      scores[slot] = -Float(product / (lengths[slot] * anchorLength))
    }
  }
}
