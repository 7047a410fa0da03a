import Records
import Tensors

/// A-shape: each query of the prompt attends to the first tokens and to its most recent ones;
/// decode is dense.
///
/// As in MInference (Jiang et al. 2024, arXiv 2407.02490; microsoft/MInference,
/// `ops/streaming_kernel.py`, `a_shape_kernel`): `initialTokens` is the repository's `n_init`
/// (128), `localWindow` its `n_local` (3968), the current token included; column by column, as its
/// kernel masks them. Nothing leaves the cache. A budget bounds what a query attends to and is
/// shared 128 : 3968.
public struct AShape: SelectsInPrefill, Budgeted {
  public static let about = StrategyFacts(
    "a-shape",
    "Prompt queries attend to the first tokens and the most recent ones; decode is dense.",
    .faithful, source: "Jiang et al. 2024, arXiv 2407.02490; github.com/microsoft/MInference",
    budgets: [.fraction, .tokens, .density, .matching])

  @Parameter(
    "first tokens that every query attends to; a budget replaces it", 0...,
    isReplacedByBudget: true)
  public var initialTokens = 128
  @Parameter(
    "most recent tokens that a query attends to, its own included; a budget replaces it", 1...,
    isReplacedByBudget: true)
  public var localWindow = 3968
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    if case .mass(let mass) = budget {
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: a-shape does not look at attention; use fraction, tokens, density or matching"
      )
    }
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    selections.fill(with: selection)
  }

  private var selection: Selection {
    switch budget {
    case .tokens(let tokens): shared(tokens)
    case .density(let density, let promptTokens):
      shared(Share.tokensSeen(density: density, promptTokens: promptTokens))
    case nil, .mass: .firstAndRecent(initialTokens, localWindow)
    }
  }

  /// A budget in the proportions of the defaults; the current token comes first.
  private func shared(_ tokens: Int) -> Selection {
    let tokens = min(max(1, tokens), largestSize)
    let first = tokens * 128 / (128 + 3968)
    return .firstAndRecent(first, tokens - first)
  }
}
