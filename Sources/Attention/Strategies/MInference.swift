import Records
import Tensors
import Threads

/// MInference: each head attends in prefill along some columns and diagonals, or to some blocks; decode is dense.
///
/// Jiang et al. 2024, arXiv 2407.02490; repository microsoft/MInference (`modules/minference_forward.py`,
/// `csrc/vertical_slash_index.cu`, `ops/block_sparse_flash_attention.py`). Selections are made once from the whole prompt:
///
/// - vertical-slash (`verticals`, `slashes`: 1000, 6096): the softmax rows of the last `lastQueries` (`last_q`, 64) queries
///   are summed by column, the first 30 counting as infinite, and by diagonal, the nearest 100 counting as infinite; the
///   best of both, at least 30 and 50, rounded as `VerticalSlashSelection` says to stretches of 64 keys for 64 queries;
/// - block-sparse (`topBlocks`, 100): products of the means of 64 queries and 64 keys; the best blocks of each row.
///
/// `heads` gives each query head a candidate by number (`candidates`), -1 to attend to everything; `pattern` "search" finds
/// them offline, see `MInferenceCalibrator`. `scale` is the repository's `minference_ratio`.
///
/// Simplified: equal scores go to the lower column, the shorter distance, the earlier block; a query always attends
/// to itself, even where the block-sparse pattern leaves its block out; heads that the search gives the A-shape or the
/// block-sparse pattern keep it, as in the paper (the repository's search writes them down as vertical-slash); with the
/// defaults a prompt of less than some 7,000 tokens is nearly dense.
///
/// A `budget` of density replaces the sizes and is our addition: one scale for all sizes of a layer, the largest with
/// which the mean over query heads stays within it, without the least sizes of 30 and 50.
public struct MInference: AttentionStrategy {
  public enum Pattern: String, Codable, Hashable, Sendable, CaseIterable {
    case verticalSlash = "vertical-slash"
    case blockSparse = "block-sparse"
    case search
  }

  public struct Configuration: Codable, Hashable, Sendable {
    public var pattern: Pattern
    public var verticals: Int
    public var slashes: Int
    public var topBlocks: Int
    public var scale: Double
    public var blockSize: Int
    public var lastQueries: Int
    /// A candidate for each query head, layer after layer; nil where `pattern` says it for all.
    public var heads: [Int]?
    public var calibrationCorpus: String
    public var calibrationLength: Int?
    public var budget: Budget?

    public init(
      pattern: Pattern = .verticalSlash, verticals: Int = 1000, slashes: Int = 6096,
      topBlocks: Int = 100, scale: Double = 1, blockSize: Int = 64, lastQueries: Int = 64,
      heads: [Int]? = nil, calibrationCorpus: String = "emma", calibrationLength: Int? = nil,
      budget: Budget? = nil
    ) {
      self.pattern = pattern
      self.verticals = verticals
      self.slashes = slashes
      self.topBlocks = topBlocks
      self.scale = scale
      self.blockSize = blockSize
      self.lastQueries = lastQueries
      self.heads = heads
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.budget = budget
    }

    /// What `heads` may name: the two patterns with the sizes given, then the sizes that the repository's search tries.
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
  }

  public static let description = StrategyDescription(
    name: "minference",
    summary:
      "Prompt queries attend along columns and diagonals that the last queries attend to, or to blocks; decode is dense.",
    phases: [.prefill],
    parameters: [
      ParameterDescription(
        "pattern", .choice(Pattern.allCases.map(\.rawValue)),
        default: .string(Pattern.verticalSlash.rawValue),
        "one pattern for all heads, or search: a candidate for each head, found by calibration"),
      ParameterDescription(
        "verticals", .integer(minimum: 0, maximum: largestSize), default: .integer(1000),
        "columns, at least 30; a budget replaces it", isReplacedByBudget: true),
      ParameterDescription(
        "slashes", .integer(minimum: 0, maximum: largestSize), default: .integer(6096),
        "diagonals, at least 50; a budget replaces it", isReplacedByBudget: true),
      ParameterDescription(
        "topBlocks", .integer(minimum: 1, maximum: largestSize), default: .integer(100),
        "key blocks of a query block in the block-sparse pattern; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "scale", .number(minimum: 0, maximum: 1024), default: .number(1),
        "factor of all sizes; a budget replaces it", isReplacedByBudget: true),
      ParameterDescription(
        "blockSize", .integer(minimum: 1, maximum: 65_536), default: .integer(64),
        "queries and keys of a block"),
      ParameterDescription(
        "lastQueries", .integer(minimum: 1, maximum: largestSize), default: .integer(64),
        "last queries of the prompt, whose attention ranks columns and diagonals"),
      ParameterDescription(
        "heads", .list(of: .integer(minimum: -1, maximum: 6)), default: .null,
        "candidate of each query head, layer after layer: 0 verticals and slashes, 1 topBlocks, 2 A-shape 100/800, 3-6 vertical-slash 30/800, 100/750, 500/700, 3500/100, -1 everything; overrides pattern"
      ),
      ParameterDescription(
        "calibrationCorpus", .string, default: .string("emma"),
        "text for the search: a shipped corpus by name, or a text file"),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: largestSize), default: .null,
        "tokens of the search; by default 4096, at most the model's context"),
    ],
    budgets: [.density, .matching], selectionLooksAhead: true, fidelity: .simplified,
    source: "Jiang et al. 2024, arXiv 2407.02490; github.com/microsoft/MInference")

  public struct State: Sendable {
    /// By query head; empty before the prompt's first block and after its last.
    var heads: [MInferenceSelection] = []
  }

  public let configuration: Configuration
  private let density: DensityBudget?
  private let queryHeads: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    density = try .only(configuration.budget, of: Self.description.name)
    var configuration = configuration
    try configuration.checkSizes()
    if let heads = configuration.heads {
      try checkHeads(
        heads.count, "heads", shape,
        wrong: heads.first { !(-1..<configuration.candidates.count).contains($0) }.map {
          "candidate \($0) does not exist; use 0…\(configuration.candidates.count - 1), or -1 to attend to everything"
        })
    } else if configuration.pattern == .search {
      throw ConfigurationError(
        "heads", "not calibrated: run `tca-lab calibrate`, or list a candidate for each query head")
    }
    self.configuration = configuration
    queryHeads = shape.queryHeads
  }

  public func makeState(layer: Int) -> State { State() }

  public var prefillGranularity: PrefillGranularity {
    .queryBlock(of: configuration.blockSize, from: .firstToken)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    if queries.lowerBound == layer.firstQueryPosition {
      state.heads = select(layer, workers: workspace.workers)
    }
    for head in 0..<selections.count {
      selections[head] = state.heads[head].selection(
        queries.lowerBound / configuration.blockSize)
    }
    if queries.upperBound > layer.newestQuery { state.heads = [] }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  // MARK: The whole prompt

  private func select(_ layer: LayerView, workers: WorkerPool) -> [MInferenceSelection] {
    let tokens = layer.queries.rows
    let patterns = (0..<queryHeads).map { pattern(layer: layer.layer, head: $0) }
    let everything = [MInferenceSelection](repeating: .uniform(.everything), count: queryHeads)
    if density?.coversEverything == true { return everything }
    let estimates = workers.map(count: queryHeads) { head in
      patterns[head].map { pattern in
        MInferenceEstimate(
          pattern.kind, layer, head: head, blockSize: configuration.blockSize,
          lastQueries: configuration.lastQueries, isForMany: density != nil)
      } ?? .everything
    }
    let heads = zip(estimates, patterns).map { estimate, pattern in
      (estimate: estimate, pattern: pattern ?? configuration.candidates[0])
    }
    guard let density else {
      return workers.map(count: queryHeads) { head in
        heads[head].estimate.select(
          heads[head].pattern.scaled(configuration.scale).withLeastSizes)
      }
    }
    guard
      let scale = MInferenceScale.largest(
        heads, tokens: tokens, atMost: density.pairs(tokens: tokens, heads: queryHeads),
        workers: workers)
    else {
      return Array(
        repeating: .uniform(density.mostRecent(tokens: tokens)), count: queryHeads)
    }
    return workers.map(count: queryHeads) { head in
      heads[head].estimate.select(heads[head].pattern.scaled(scale))
    }
  }

  /// Nil for a head that attends to everything.
  private func pattern(layer: Int, head: Int) -> MInferencePattern? {
    guard let heads = configuration.heads else {
      return configuration.candidates[configuration.pattern == .blockSparse ? 1 : 0]
    }
    let candidate = heads[layer * queryHeads + head]
    return candidate < 0 ? nil : configuration.candidates[candidate]
  }
}

extension MInference.Configuration {
  /// Throws for sizes out of their ranges; cuts those that are larger than any prompt.
  package mutating func checkSizes() throws(ConfigurationError) {
    verticals = try checkSize("verticals", verticals, atLeast: 0)
    slashes = try checkSize("slashes", slashes, atLeast: 0)
    topBlocks = try checkSize("topBlocks", topBlocks, atLeast: 1)
    blockSize = try checkSize("blockSize", blockSize, atLeast: 1)
    lastQueries = try checkSize("lastQueries", lastQueries, atLeast: 1)
    guard (0...1024).contains(scale) else {
      throw ConfigurationError("scale", "\(scale) is out of range; use a number from 0 to 1024")
    }
    _ = try checkSize("calibrationLength", calibrationLength ?? 2, atLeast: 2)
  }
}
