import Records
import Tensors

/// MInference: each head attends in prefill along some columns and diagonals, or to some blocks;
/// decode is dense.
///
/// Jiang et al. 2024, arXiv 2407.02490; repository microsoft/MInference
/// (`modules/minference_forward.py`, `csrc/vertical_slash_index.cu`,
/// `ops/block_sparse_flash_attention.py`). Selections are made once from the whole prompt:
///
/// - vertical-slash (`verticals`, `slashes`: 1000, 6096): the softmax rows of the last
///   `lastQueries` (`last_q`, 64) queries are summed by column, the first 30 counting as infinite,
///   and by diagonal, the nearest 100 counting as infinite; the best of both, at least 30 and 50,
///   rounded as `VerticalSlashSelection` says to stretches of 64 keys for 64 queries;
/// - block-sparse (`topBlocks`, 100): products of the means of 64 queries and 64 keys; the best
///   blocks of each row.
///
/// `heads` gives each query head a candidate by number (`candidates`), -1 to attend to everything;
/// `pattern` "search" finds them offline, see `MInferenceCalibrator`. `scale` is the repository's
/// `minference_ratio`, which leaves the number of blocks as it is.
///
/// Simplified: on equal scores the lower column, the shorter distance and the earlier block win; a
/// query always attends to itself, even where the block-sparse pattern leaves its block out; heads
/// that the search gives the A-shape or the block-sparse pattern keep it, as in the paper (the
/// repository's search writes them down as vertical-slash); with the defaults a prompt of less than
/// some 7,000 tokens is nearly dense.
///
/// A `budget` of density replaces the sizes and is our addition: one scale for all sizes of a
/// layer, or with `densityScope` model of the model, the largest with which the mean over query
/// heads stays within it, without the least sizes of 30 and 50.
public struct MInference: SelectsByLevel {
  public enum Pattern: String, ParameterChoice {
    case verticalSlash = "vertical-slash"
    case blockSparse = "block-sparse"
    case search
  }

  public static let about = StrategyFacts(
    "minference",
    "Prompt queries attend along columns and diagonals that the last queries attend to, or to blocks; decode is dense.",
    .simplified, source: "Jiang et al. 2024, arXiv 2407.02490; github.com/microsoft/MInference",
    budgets: [.density, .matching])

  @Parameter(
    "one pattern for all heads, or search: a candidate for each head, found by calibration")
  public var pattern = Pattern.verticalSlash
  @Parameter("columns, at least 30; a budget replaces it", 0..., isReplacedByBudget: true)
  public var verticals = 1000
  @Parameter("diagonals, at least 50; a budget replaces it", 0..., isReplacedByBudget: true)
  public var slashes = 6096
  @Parameter(
    "key blocks of a query block in the block-sparse pattern; a budget replaces it", 1...,
    isReplacedByBudget: true)
  public var topBlocks = 100
  @Parameter(
    "factor of all sizes but topBlocks; a budget replaces it", 0...1024, isReplacedByBudget: true)
  public var scale = 1.0
  @Parameter("queries and keys of a block", 1...65_536, isBlockSize: true) public var blockSize = 64
  @Parameter(
    "last queries of the prompt, whose attention ranks columns and diagonals", 1...)
  public var lastQueries = 64
  @Parameter(
    "candidate of each query head, layer after layer: 0 verticals and slashes, 1 topBlocks, 2 A-shape 100/800, 3-6 vertical-slash 30/800, 100/750, 500/700, 3500/100, -1 everything; overrides pattern",
    -1...6)
  public var heads: [Int]? = nil
  @Parameter("text for the search: a shipped corpus by name, or a text file")
  public var calibrationCorpus = "emma"
  @Parameter("tokens of the search; by default 4096, at most the model's context", 2...)
  public var calibrationLength: Int? = nil
  @Parameter(DensityScope.summary, isLeftOutAtDefault: true)
  public var densityScope = DensityScope.layer
  public var budget: Budget?
  public var level: Double?

  public init() {}

  /// What `heads` may name: the two patterns with the sizes given, then the sizes that the
  /// repository's search tries.
  package var candidates: [MInferencePattern] {
    [
      MInferencePattern(kind: .verticalSlash, first: verticals, second: slashes),
      MInferencePattern(kind: .blockSparse, first: topBlocks, second: 0),
      MInferencePattern(kind: .aShape, first: 100, second: 800),
      MInferencePattern(kind: .verticalSlash, first: 30, second: 800),
      MInferencePattern(kind: .verticalSlash, first: 100, second: 750),
      MInferencePattern(kind: .verticalSlash, first: 500, second: 700),
      MInferencePattern(kind: .verticalSlash, first: 3500, second: 100),
    ]
  }

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    _ = try DensityBudget.only(budget, of: Self.about.name)
    if heads != nil || pattern == .search {
      try HeadValues.ofQueryHeads("candidate", shape).check(heads, "heads", layers: shape.layers)
    }
  }

  public struct State: StrategyState {
    /// By query head; empty before the prompt's first block and after its last.
    var heads: [MInferenceSelection] = []
    public var cacheBytes: Int { 0 }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  public var selectionLooksAhead: Bool { true }

  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: blockSize, from: .firstToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State
  ) {
    if queries.lowerBound == layer.firstQueryPosition { state.heads = choose(layer) }
    for head in 0..<selections.count {
      selections[head] = state.heads[head].selection(queries.lowerBound / blockSize)
    }
    if queries.upperBound > layer.newestQuery { state.heads = [] }
  }

  /// By query head, from the whole prompt.
  private func choose(_ layer: LayerView) -> [MInferenceSelection] {
    let tokens = layer.queryCount
    let queryHeads = layer.shape.queryHeads
    let density = DensityBudget(budget)
    if density?.coversEverything == true {
      return Array(repeating: .uniform(.everything), count: queryHeads)
    }
    let heads = estimates(layer)
    guard let density else {
      return layer.forEachQueryHead {
        heads[$0].select(heads[$0].pattern.atRatio(scale))
      }
    }
    guard let found = level(of: heads, density, layer) else {
      return Array(repeating: .uniform(density.mostRecent(tokens: tokens)), count: queryHeads)
    }
    return layer.forEachQueryHead { heads[$0].select(heads[$0].pattern.scaled(found)) }
  }

  public func estimates(_ layer: LayerView) -> [MInferenceHead] {
    layer.forEachQueryHead { head in
      let pattern = pattern(layer, head: head)
      return MInferenceHead(
        estimate: pattern.map {
          MInferenceEstimate(
            $0.kind, layer, head: head, blockSize: blockSize, lastQueries: lastQueries,
            isForMany: DensityBudget(budget) != nil)
        } ?? .everything,
        pattern: pattern ?? candidates[0], tokens: layer.queryCount)
    }
  }

  public func level(
    of estimates: [MInferenceHead], atMost limit: Int,
    sum: (_ count: Int, _ pairs: (Int) -> Int) -> Int
  ) -> Double? {
    MInferenceScale.largest(estimates, atMost: limit, sum: sum)
  }

  /// Nil for a head that attends to everything.
  private func pattern(_ layer: LayerView, head: Int) -> MInferencePattern? {
    guard let heads else { return candidates[pattern == .blockSparse ? 1 : 0] }
    let candidate = heads[layer.layer * layer.shape.queryHeads + head]
    return candidate < 0 ? nil : candidates[candidate]
  }
}
