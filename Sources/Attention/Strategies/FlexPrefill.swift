import Records
import Tensors

/// FlexPrefill: each head of each prompt attends to as many blocks of columns and diagonals as
/// cover a share of the attention, or, where its attention follows the queries, of single blocks;
/// decode is dense.
///
/// Lai et al. 2025, arXiv 2502.20766; repository bytedance/FlexPrefill
/// (`ops/flex_prefill_attention.py`, `get_active_blocks`). γ `gamma`, τ `tau`, `min_budget`
/// `minBudget`, `max_budget` `maxBudget`; defaults are those of the repository's model patch. From
/// the last `blockSize` (128) queries:
///
/// 1. columns are the mean softmax rows, diagonals their sums over distances, both sorted; c the
///    number whose largest sum to at most γ, plus 1, gives ⌊c / blockSize⌋ + 1 blocks of each,
///    `minBudget` at least;
/// 2. D = √JSD between the softmax of the mean query over the mean keys of blocks and the columns
///    summed by block. D < τ: the head is query-aware; `minBudget` of columns and diagonals, and,
///    of all block rows' softmax of mean queries over mean keys in one falling order, the blocks
///    whose sum is at most γ times the number of rows;
/// 3. the first block of columns and the main diagonal of blocks always.
///
/// A prompt of at most max(2 · blockSize, minBudget) tokens is dense.
///
/// Simplified: ⌊c / 128⌋ of the repository is ⌊c / blockSize⌋ (the same by default); in D a block
/// without any attention counts as 0 (in the repository it makes D NaN, and the head not
/// query-aware); on equal scores the lower index wins.
///
/// Budgets replace `gamma` and `minBudget` (then one block). `mass` is γ. `density` is our
/// addition: the largest γ of a layer, or with `densityScope` model of the model, with which the
/// mean over query heads stays within it; where that of γ = 0 does not, the most recent tokens.
public struct FlexPrefill: SelectsByLevel {
  public static let about = StrategyFacts(
    "flex-prefill",
    "Prompt queries attend to the blocks that cover a share of the attention, chosen by head and prompt; decode is dense.",
    .simplified, source: "Lai et al. 2025, arXiv 2502.20766; github.com/bytedance/FlexPrefill",
    budgets: [.density, .mass, .matching])

  @Parameter(
    "share of the estimated attention to cover; a budget replaces it", 0...1,
    isReplacedByBudget: true)
  public var gamma = 0.9
  @Parameter("a head is query-aware where its divergence is smaller; 0 for none", 0...1)
  public var tau = 0.1
  @Parameter(
    "least tokens of columns, and of diagonals, in whole blocks; a budget replaces it", 0...,
    isReplacedByBudget: true)
  public var minBudget = 1024
  @Parameter(
    "most tokens of columns, and of diagonals; by default as many as there are", 1...)
  public var maxBudget: Int? = nil
  @Parameter("queries and keys of a block", 1...65_536, isBlockSize: true) public var blockSize =
    128
  @Parameter(DensityScope.summary, isLeftOutAtDefault: true)
  public var densityScope = DensityScope.layer
  public var budget: Budget?
  public var level: Double?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    if case .tokens(let tokens) = budget {
      throw ConfigurationError(tokens: tokens, Self.about.name)
    }
    guard least <= most else {
      throw ConfigurationError(
        "maxBudget",
        "\(maxBudget ?? 0) is less than minBudget \(minBudget); use at least that")
    }
  }

  /// In blocks.
  private var least: Int {
    budget == nil ? max(1, (minBudget + blockSize - 1) / blockSize) : 1
  }

  private var most: Int { ((maxBudget ?? largestSize) + blockSize - 1) / blockSize }

  public var selectionLooksAhead: Bool { true }

  public typealias State = BlockChoice

  public func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: blockSize, from: .firstToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State
  ) {
    state.select(layer, queries, blockSize: blockSize, into: &selections) { choose(layer) }
  }

  /// The least and the most blocks of columns, and of diagonals, of a prompt.
  private func limits(ofPrompt tokens: Int) -> ClosedRange<Int> {
    let blocks = (tokens + blockSize - 1) / blockSize
    return min(least, blocks)...min(most, blocks)
  }

  public func estimates(_ layer: LayerView) -> [FlexPrefillEstimate] {
    layer.forEachQueryHead {
      FlexPrefillEstimate(layer, head: $0, blockSize: blockSize, tau: tau)
    }
  }

  public func level(
    of estimates: [FlexPrefillEstimate], atMost limit: Int,
    sum: (_ count: Int, _ pairs: (Int) -> Int) -> Int
  ) -> Double? {
    DensityBudget.largest(from: 0, through: 1, steps: 24, atMost: limit) { gamma in
      sum(estimates.count) { head in
        let estimate = estimates[head]
        return estimate.select(gamma: gamma, limits: limits(ofPrompt: estimate.tokens)).pairs
      }
    }
  }

  private func choose(_ layer: LayerView) -> State {
    let tokens = layer.queryCount
    let density = DensityBudget(budget)
    var gamma = if case .mass(let mass) = budget { mass } else { self.gamma }
    if let density {
      if density.coversEverything { return State() }
    } else if tokens <= max(2 * blockSize, least * blockSize) || gamma >= 1 {
      return State()
    }
    let estimates = estimates(layer)
    if let density {
      guard let found = level(of: estimates, density, layer) else {
        return State(uniform: density.mostRecent(tokens: tokens))
      }
      gamma = found
    }
    let limits = limits(ofPrompt: tokens)
    return State(
      heads: layer.forEachQueryHead { [gamma] in
        estimates[$0].select(gamma: gamma, limits: limits)
      })
  }
}
