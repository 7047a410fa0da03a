import Records
import Tensors
import Threads

/// FlexPrefill: each head of each prompt attends to as many blocks of columns and diagonals as cover a share of the
/// attention, or, where its attention follows the queries, of single blocks; decode is dense.
///
/// Lai et al. 2025, arXiv 2502.20766; repository bytedance/FlexPrefill (`ops/flex_prefill_attention.py`,
/// `get_active_blocks`). γ `gamma`, τ `tau`, `min_budget` `minBudget`, `max_budget` `maxBudget`; defaults are those of the
/// repository's model patch. From the last `blockSize` (128) queries:
///
/// 1. columns are the mean softmax rows, diagonals their sums over distances, both sorted; c the number whose largest
///    sum to at most γ, plus 1, gives ⌊c / blockSize⌋ + 1 blocks of each, `minBudget` at least;
/// 2. D = √JSD between the softmax of the mean query over the mean keys of blocks and the columns summed by block. D < τ:
///    the head is query-aware; `minBudget` of columns and diagonals, and, of all block rows' softmax of mean queries over
///    mean keys in one falling order, the blocks whose sum is at most γ times the number of rows;
/// 3. the first block of columns and the main diagonal of blocks always.
///
/// A prompt of at most max(2 · blockSize, minBudget) tokens is dense.
///
/// Simplified: ⌊c / 128⌋ of the repository is ⌊c / blockSize⌋ (the same by default); in D a block without any
/// attention counts 0 (in the repository it makes D no number, and the head not query-aware); equal scores go to the
/// lower place.
///
/// Budgets replace `gamma` and `minBudget` (then one block). `mass` is γ. `density` is our addition: the largest γ of a
/// layer with which the mean over query heads stays within it; where that of γ = 0 does not, the most recent tokens.
public struct FlexPrefill: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var gamma: Double
    public var tau: Double
    public var minBudget: Int
    public var maxBudget: Int?
    public var blockSize: Int
    public var budget: Budget?

    public init(
      gamma: Double = 0.9, tau: Double = 0.1, minBudget: Int = 1024, maxBudget: Int? = nil,
      blockSize: Int = 128, budget: Budget? = nil
    ) {
      self.gamma = gamma
      self.tau = tau
      self.minBudget = minBudget
      self.maxBudget = maxBudget
      self.blockSize = blockSize
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "flex-prefill",
    summary:
      "Prompt queries attend to the blocks that cover a share of the attention, chosen by head and prompt; decode is dense.",
    phases: [.prefill],
    parameters: [
      ParameterDescription(
        "gamma", .number(minimum: 0, maximum: 1), default: .number(0.9),
        "share of the estimated attention to cover; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "tau", .number(minimum: 0, maximum: 1), default: .number(0.1),
        "a head is query-aware where its divergence is smaller; 0 for none"),
      ParameterDescription(
        "minBudget", .integer(minimum: 0, maximum: largestSize), default: .integer(1024),
        "least tokens of columns, and of diagonals, in whole blocks; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "maxBudget", .integer(minimum: 1, maximum: largestSize), default: .null,
        "most tokens of columns, and of diagonals; by default as many as there are"),
      ParameterDescription(
        "blockSize", .integer(minimum: 1, maximum: 65_536), default: .integer(128),
        "queries and keys of a block"),
    ],
    budgets: [.density, .mass, .matching], selectionLooksAhead: true, fidelity: .simplified,
    source: "Lai et al. 2025, arXiv 2502.20766; github.com/bytedance/FlexPrefill")

  public struct State: Sendable {
    /// By query head; empty before the prompt's first block and after its last, and where all is attended to.
    var heads: [BlockSelection] = []
    /// What every query attends to where there are no blocks.
    var uniform: Selection = .everything
  }

  private let gamma: Double
  private let tau: Double
  private let blockSize: Int
  /// In blocks.
  private let least: Int
  private let most: Int
  private let density: DensityBudget?

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    for (name, value) in [("gamma", configuration.gamma), ("tau", configuration.tau)] {
      guard (0...1).contains(value) else {
        throw ConfigurationError(name, "\(value) is outside of 0…1")
      }
    }
    blockSize = try checkSize("blockSize", configuration.blockSize, atLeast: 1)
    let minBudget = try checkSize("minBudget", configuration.minBudget, atLeast: 0)
    let maxBudget = try checkSize(
      "maxBudget", configuration.maxBudget ?? largestSize, atLeast: 1)
    tau = configuration.tau
    most = (maxBudget + blockSize - 1) / blockSize
    switch configuration.budget {
    case nil:
      gamma = configuration.gamma
      density = nil
      least = max(1, (minBudget + blockSize - 1) / blockSize)
    case .mass(let mass):
      gamma = mass
      density = nil
      least = 1
    case .density(let share, _):
      gamma = 1
      density = DensityBudget(density: share)
      least = 1
    case .tokens(let tokens):
      throw ConfigurationError(tokens: tokens, Self.description.name)
    }
    guard least <= most else {
      throw ConfigurationError(
        "maxBudget", "\(maxBudget) is less than minBudget \(minBudget); use at least that")
    }
  }

  public func makeState(layer: Int) -> State { State() }

  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: blockSize, from: .firstToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    if queries.lowerBound == layer.firstQueryPosition {
      state = select(layer, workers: workspace.workers)
    }
    for head in 0..<selections.count {
      selections[head] =
        state.heads.isEmpty
        ? state.uniform : state.heads[head].selection(queries.lowerBound / blockSize)
    }
    if queries.upperBound > layer.newestQuery { state = State() }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  private func select(_ layer: LayerView, workers: WorkerPool) -> State {
    let tokens = layer.queries.rows
    let heads = layer.shape.queryHeads
    let blocks = (tokens + blockSize - 1) / blockSize
    let limits = min(least, blocks)...min(most, blocks)
    if let density {
      if density.coversEverything { return State() }
    } else if tokens <= max(2 * blockSize, least * blockSize) || gamma >= 1 {
      return State()
    }
    let estimates = workers.map(count: heads) {
      FlexPrefillEstimate(layer, head: $0, blockSize: blockSize, tau: tau)
    }
    var gamma = gamma
    if let density {
      let found = DensityBudget.largest(
        from: 0, through: 1, steps: 24, atMost: density.pairs(tokens: tokens, heads: heads)
      ) { gamma in
        workers.sum(count: heads) { estimates[$0].select(gamma: gamma, limits: limits).pairs }
      }
      guard let found else { return State(uniform: density.mostRecent(tokens: tokens)) }
      gamma = found
    }
    return State(
      heads: workers.map(count: heads) {
        estimates[$0].select(gamma: gamma, limits: limits)
      })
  }
}
