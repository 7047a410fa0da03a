import Records
import Tensors

/// Tri-shape: A-shape, and the last queries of the prompt attend to everything; decode is dense.
///
/// As in MInference's SCBench baselines (Li et al. 2024, arXiv 2412.10319; microsoft/MInference,
/// `ops/streaming_kernel.py`, `tri_shape_kernel`): `initialTokens` is the repository's `n_init` (128), `localWindow` its
/// `n_local` (3968), the current token included, `lastQueries` its `n_last` (100). Nothing leaves the cache. It takes no
/// budget: what a query attends to depends on whether it is one of the last.
public struct TriShape: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var initialTokens: Int
    public var localWindow: Int
    public var lastQueries: Int

    public init(initialTokens: Int = 128, localWindow: Int = 3968, lastQueries: Int = 100) {
      self.initialTokens = initialTokens
      self.localWindow = localWindow
      self.lastQueries = lastQueries
    }
  }

  public static let description = StrategyDescription(
    name: "tri-shape",
    summary: "A-shape, and the prompt's last queries attend to everything; decode is dense.",
    phases: [.prefill],
    parameters: [
      ParameterDescription(
        "initialTokens", .integer(minimum: 0, maximum: largestSize), default: .integer(128),
        "first tokens that every query attends to"),
      ParameterDescription(
        "localWindow", .integer(minimum: 1, maximum: largestSize), default: .integer(3968),
        "most recent tokens that a query attends to, its own included"),
      ParameterDescription(
        "lastQueries", .integer(minimum: 1, maximum: largestSize), default: .integer(100),
        "last queries of the prompt that attend to everything"),
    ],
    fidelity: .faithful,
    source: "Li et al. 2024, arXiv 2412.10319; github.com/microsoft/MInference")

  private let selection: Selection
  private let lastQueries: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    selection = .firstAndRecent(
      try checkSize("initialTokens", configuration.initialTokens, atLeast: 0),
      try checkSize("localWindow", configuration.localWindow, atLeast: 1))
    lastQueries = try checkSize("lastQueries", configuration.lastQueries, atLeast: 1)
  }

  /// The last block is that of the dense queries.
  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: lastQueries, from: .lastToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    guard queries.upperBound <= layer.newestQuery else { return }
    for head in 0..<selections.count { selections[head] = selection }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }
}
