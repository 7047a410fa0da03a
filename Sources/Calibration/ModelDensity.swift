import Attention
import Records
import Tensors

/// Budgets of density that the mean over layers is to hold: the one level for all layers is found by
/// dense passes over prompts, whose queries and keys say how many pairs each level has.
extension ConfiguredStrategy {
  /// The strategy with the levels of its own and its parts' budgets, where these ask for any.
  ///
  /// - Parameters:
  ///   - sized: the same strategy with a budget for a prompt.
  ///   - prompts: lengths of those to look at.
  ///   - pass: one dense prefill of the prompt of that number with the given attention.
  public func levelled(
    sized: any AttentionStrategy, shape: AttentionShape, workspace: Workspace, prompts: [Int],
    pass: (_ prompt: Int, any LayerAttention) throws -> Void
  ) rethrows -> ConfiguredStrategy {
    var result = self
    if var composed = strategy as? any HasParts, let sized = sized as? any HasParts {
      for index in composed.parts.indices {
        composed.parts[index].configured = try composed.parts[index].configured.levelled(
          sized: sized.parts[index].strategy, shape: shape, workspace: workspace, prompts: prompts,
          pass: pass)
      }
      result.strategy = composed
    } else if let sized = sized as? any SelectsByLevel, sized.densityScope == .model,
      var own = strategy as? any SelectsByLevel
    {
      own.level = try sized.modelLevel(
        shape: shape, workspace: workspace, prompts: prompts, pass: pass)
      result.strategy = own
    }
    return result
  }
}

extension SelectsByLevel {
  /// The largest level with which all layers and heads of the prompts together stay within the density;
  /// nil where the least one does not, or where there is no density to hold.
  fileprivate func modelLevel(
    shape: AttentionShape, workspace: Workspace, prompts: [Int],
    pass: (_ prompt: Int, any LayerAttention) throws -> Void
  ) rethrows -> Double? {
    guard case .density(let density, _) = budget, density < 1 else { return nil }
    var estimates: [LevelEstimate] = []
    var limit = 0
    for (prompt, tokens) in prompts.enumerated() {
      let attention = CalibratingAttention(
        LevelWatcher(strategy: self), shape: shape, workspace: workspace)
      try pass(prompt, attention)
      estimates += attention.finish()
      limit += Share.pairs(
        density, ofPrompt: tokens, heads: shape.globalLayers.count * shape.queryHeads)
    }
    return level(of: estimates, atMost: limit) { count, pairs in
      workspace.workers.map(count: count, pairs).reduce(0, +)
    }
  }
}

/// Gathers what selections of any level are made from, head by head, layer after layer.
private struct LevelWatcher<Strategy: SelectsByLevel>: DenseWatcher {
  let strategy: Strategy
  private var estimates: [Strategy.LevelEstimate] = []

  init(strategy: Strategy) { self.strategy = strategy }

  mutating func observe(_ layer: LayerView) { estimates += strategy.estimates(layer) }

  consuming func finish() -> [Strategy.LevelEstimate] { estimates }
}
