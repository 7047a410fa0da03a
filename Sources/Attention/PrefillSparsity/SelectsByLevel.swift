import Records

/// Over what a budget of density is held.
public enum DensityScope: String, ParameterChoice {
  /// Each layer has the density, by a level of its own.
  case layer
  /// The mean over layers has it, by one level for all of them: layers share the pairs freely.
  case model

  static let summary =
    "whether a budget of density is held by each layer or by the mean over layers"
}

/// A method whose prompt selections grow with one number, its level (a threshold, a scale), which a
/// budget of density has to find.
public protocol SelectsByLevel<LevelEstimate>: SelectsInPrefill, Budgeted {
  /// What one query head's selections are made from, whatever the level.
  associatedtype LevelEstimate: Sendable

  var densityScope: DensityScope { get }

  /// The level of every layer under a budget of density; nil: each layer finds its own, which keeps
  /// the mean over layers within the budget too. The framework sets it, for scope `model`, from
  /// dense passes over prompts.
  var level: Double? { get set }

  /// By query head of a layer, from the whole prompt.
  func estimates(_ layer: LayerView) -> [LevelEstimate]

  /// The largest level found at which the selections of some heads have at most `limit` query-key
  /// pairs; nil where none does.
  ///
  /// - Parameter sum: adds up the pairs of so many heads.
  func level(
    of estimates: [LevelEstimate], atMost limit: Int,
    sum: (_ count: Int, _ pairs: (Int) -> Int) -> Int
  ) -> Double?
}

extension SelectsByLevel {
  /// The level of a layer: the model's, else its own; nil where even the least one is too much.
  func level(
    of estimates: [LevelEstimate], _ density: DensityBudget, _ layer: LayerView
  ) -> Double? {
    level
      ?? level(
        of: estimates,
        atMost: density.pairs(tokens: layer.queryCount, heads: layer.shape.queryHeads)
      ) { count, pairs in layer.concurrently(count, pairs).reduce(0, +) }
  }
}
