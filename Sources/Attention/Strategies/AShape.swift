import Records
import Tensors

/// A-shape: each query of the prompt attends to the first tokens and to its most recent ones; decode is dense.
///
/// As in MInference (Jiang et al. 2024, arXiv 2407.02490; microsoft/MInference, `ops/streaming_kernel.py`,
/// `a_shape_kernel`): `initialTokens` is the repository's `n_init` (128), `localWindow` its `n_local` (3968), the current
/// token included; column by column, as its kernel masks them. Nothing leaves the cache. A budget bounds what a query
/// attends to and is shared 128 : 3968.
public struct AShape: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var initialTokens: Int
    public var localWindow: Int
    public var budget: Budget?

    public init(initialTokens: Int = 128, localWindow: Int = 3968, budget: Budget? = nil) {
      self.initialTokens = initialTokens
      self.localWindow = localWindow
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "a-shape",
    summary: "Prompt queries attend to the first tokens and the most recent ones; decode is dense.",
    phases: [.prefill],
    parameters: [
      ParameterDescription(
        "initialTokens", .integer(minimum: 0, maximum: largestSize), default: .integer(128),
        "first tokens that every query attends to; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "localWindow", .integer(minimum: 1, maximum: largestSize), default: .integer(3968),
        "most recent tokens that a query attends to, its own included; a budget replaces it",
        isReplacedByBudget: true),
    ],
    budgets: [.fraction, .tokens, .density, .matching], fidelity: .faithful,
    source: "Jiang et al. 2024, arXiv 2407.02490; github.com/microsoft/MInference")

  private let selection: Selection

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    let initialTokens: Int
    let localWindow: Int
    switch configuration.budget {
    case nil:
      initialTokens = try checkSize("initialTokens", configuration.initialTokens, atLeast: 0)
      localWindow = try checkSize("localWindow", configuration.localWindow, atLeast: 1)
    case .tokens(let tokens):
      (initialTokens, localWindow) = Self.shared(tokens)
    case .density(let density, let promptTokens):
      (initialTokens, localWindow) = Self.shared(
        StreamingLLM.capacity(density: density, promptTokens: promptTokens))
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: a-shape does not look at attention; use fraction, tokens, density or matching"
      )
    }
    selection = .firstAndRecent(initialTokens, localWindow)
  }

  /// A budget in the proportions of the defaults; the current token comes first.
  private static func shared(_ tokens: Int) -> (initialTokens: Int, localWindow: Int) {
    let tokens = min(max(1, tokens), largestSize)
    let initialTokens = tokens * 128 / (128 + 3968)
    return (initialTokens, tokens - initialTokens)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    for head in 0..<selections.count { selections[head] = selection }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }
}

extension Selection {
  /// The first tokens and the most recent ones, the query's own included.
  static func firstAndRecent(_ first: Int, _ recent: Int) -> Selection {
    var selection = Selection(window: LocalWindow(width: recent - 1))
    selection.keep(0..<first)
    return selection
  }
}
