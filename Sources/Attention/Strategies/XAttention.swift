import Kernels
import Records
import Tensors
import Threads

/// XAttention: prompt queries attend to the blocks with the highest sums along antidiagonals; decode is dense.
///
/// Xu et al. 2025, arXiv 2503.16428; repository mit-han-lab/x-attention (`xattn/src/Xattention.py`, `utils.py`). S `stride`
/// (16 in the repository's model patch; 8 too), B `blockSize` (128), τ `threshold` (0.9 in the estimator). Blocks are
/// scored once from the whole prompt (`AntidiagonalScores`). Each block of queries takes the first block of keys and its
/// own, then the others by falling score while what it has taken holds less than τ of its row.
///
/// One threshold for all heads, or one each: `thresholds`, or `calibrationCorpus` for the repository's
/// `profile_threshold`, see `XAttentionCalibrator`. Its published tables are for a model of 32 x 32 heads.
///
/// Faithful in what it selects; equal scores go to the earlier block, and every query attends to itself, since its own
/// block is always taken. The scores of a block mix all of its tokens, later ones too.
///
/// Budgets replace the thresholds. `mass` is τ. `density` is our addition: the largest threshold of a layer, the same for
/// its heads, with which the mean over query heads stays within it; where that of 0 does not, the most recent tokens.
public struct XAttention: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var stride: Int
    public var threshold: Double
    public var blockSize: Int
    /// A threshold for each query head, layer after layer.
    public var thresholds: [Double]?
    public var calibrationCorpus: String?
    public var calibrationLength: Int?
    public var budget: Budget?

    public init(
      stride: Int = 16, threshold: Double = 0.9, blockSize: Int = 128,
      thresholds: [Double]? = nil, calibrationCorpus: String? = nil,
      calibrationLength: Int? = nil, budget: Budget? = nil
    ) {
      self.stride = stride
      self.threshold = threshold
      self.blockSize = blockSize
      self.thresholds = thresholds
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "xattention",
    summary:
      "Prompt queries attend to the blocks with the highest antidiagonal sums, up to a threshold; decode is dense.",
    phases: [.prefill],
    parameters: [
      ParameterDescription(
        "stride", .integer(minimum: 1, maximum: 65_536), default: .integer(16),
        "tokens of a cell, of which one antidiagonal is added up; divides blockSize"),
      ParameterDescription(
        "threshold", .number(minimum: 0, maximum: 1), default: .number(0.9),
        "share of a block row's score to take; a budget replaces it", isReplacedByBudget: true),
      ParameterDescription(
        "blockSize", .integer(minimum: 1, maximum: 65_536), default: .integer(128),
        "queries and keys of a block"),
      ParameterDescription(
        "thresholds", .list(of: .number(minimum: 0, maximum: 1)), default: .null,
        "a threshold for each query head, layer after layer; a budget replaces them",
        isReplacedByBudget: true),
      ParameterDescription(
        "calibrationCorpus", .string, default: .null,
        "a shipped corpus by name, or a text file, to find thresholds with; without it threshold counts for all heads; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: largestSize), default: .null,
        "tokens of the calibration pass; by default 4096, at most the model's context"),
    ],
    budgets: [.density, .mass, .matching], selectionLooksAhead: true, fidelity: .faithful,
    source: "Xu et al. 2025, arXiv 2503.16428; github.com/mit-han-lab/x-attention")

  public struct State: Sendable {
    /// By query head; empty before the prompt's first block and after its last, and where all is attended to.
    var heads: [BlockSelection] = []
    /// What every query attends to where there are no blocks.
    var uniform: Selection = .everything
  }

  private let stride: Int
  private let blockSize: Int
  /// By layer and query head.
  private let thresholds: [Double]
  private let density: DensityBudget?

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    try configuration.checkSizes()
    stride = configuration.stride
    blockSize = configuration.blockSize
    let needed = shape.layers * shape.queryHeads
    switch configuration.budget {
    case nil:
      density = nil
      if let thresholds = configuration.thresholds {
        try checkHeads(
          thresholds.count, "thresholds", shape,
          wrong: thresholds.first { !(0...1).contains($0) }.map { "\($0) is outside of 0…1" })
        self.thresholds = thresholds
      } else {
        if let corpus = configuration.calibrationCorpus {
          throw ConfigurationError(
            "thresholds",
            "not calibrated on \"\(corpus)\": run `tca-lab calibrate`, or list a threshold for each query head"
          )
        }
        thresholds = Array(repeating: configuration.threshold, count: needed)
      }
    case .mass(let mass):
      density = nil
      thresholds = Array(repeating: mass, count: needed)
    case .density(let share, _):
      density = DensityBudget(density: share)
      thresholds = Array(repeating: 1, count: needed)
    case .tokens(let tokens):
      throw ConfigurationError(tokens: tokens, Self.description.name)
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
    let first = layer.layer * heads
    let thresholds = thresholds[first..<first + heads]
    // A threshold of 1 takes every block that has a score; a budget of everything takes every one.
    if density?.coversEverything ?? thresholds.allSatisfy({ $0 >= 1 }) { return State() }
    let scores = Self.blockScores(layer, stride: stride, blockSize: blockSize, workers: workers)
    let estimates = workers.map(count: heads) {
      XAttentionEstimate(scores[$0], tokens: tokens, blockSize: blockSize)
    }
    var found: Double?
    if let density {
      found = DensityBudget.largest(
        from: 0, through: 1, steps: 30, atMost: density.pairs(tokens: tokens, heads: heads)
      ) { threshold in estimates.reduce(0) { $0 + $1.pairs(threshold: threshold) } }
      if found == nil { return State(uniform: density.mostRecent(tokens: tokens)) }
    }
    return State(
      heads: workers.map(count: heads) { head in
        estimates[head].select(threshold: found ?? thresholds[first + head])
      })
  }

  /// The antidiagonal scores of every query head of a layer: for query block i those of the key blocks 0…i.
  package static func blockScores(
    _ layer: LayerView, stride: Int, blockSize: Int, workers: WorkerPool
  ) -> [[[Double]]] {
    let d = layer.shape.headDimension
    let blocks = (layer.queries.rows + blockSize - 1) / blockSize
    let size = AntidiagonalScores.blocksPerPiece(stride: stride, blockSize: blockSize)
    let pieces = (blocks + size - 1) / size
    let heads = layer.shape.queryHeads
    // The longest pieces first.
    let found = workers.map(count: pieces * heads) { item in
      let piece = pieces - 1 - item / heads
      let head = item % heads
      return AntidiagonalScores.scores(
        queries: layer.queries, head: head * d..<(head + 1) * d,
        keys: layer.heads[layer.shape.kvHead(of: head)].keys, stride: stride,
        blockSize: blockSize, blocks: piece * size..<min((piece + 1) * size, blocks))
    }
    return (0..<heads).map { head in
      (0..<pieces).reversed().flatMap { found[$0 * heads + head] }
    }
  }
}

extension XAttention.Configuration {
  /// Throws for sizes out of their ranges, and where stride and block size do not fit.
  package func checkSizes() throws(ConfigurationError) {
    let size = try checkSize("blockSize", blockSize, atLeast: 1)
    let stride = try checkSize("stride", stride, atLeast: 1)
    guard size % stride == 0 else {
      throw ConfigurationError(
        "stride", "\(stride) does not divide blockSize \(size); use a divisor of it, such as 8")
    }
    guard (0...1).contains(threshold) else {
      throw ConfigurationError("threshold", "\(threshold) is outside of 0…1")
    }
    _ = try checkSize("calibrationLength", calibrationLength ?? 2, atLeast: 2)
  }
}
