import Records
import Tensors

/// XAttention: prompt queries attend to the blocks with the highest sums along antidiagonals;
/// decode is dense.
///
/// Xu et al. 2025, arXiv 2503.16428; repository mit-han-lab/x-attention (`xattn/src/Xattention.py`,
/// `utils.py`). S `stride` (16 in the repository's model patch; 8 too), B `blockSize` (128), τ
/// `threshold` (0.9 in the estimator). Blocks are scored once from the whole prompt
/// (`AntidiagonalScores`). Each block of queries takes the first block of keys and its own, then
/// the others by falling score while what it has taken holds less than τ of its row.
///
/// One threshold for all heads, or one each: `thresholds`, or `calibrationCorpus` for the
/// repository's `profile_threshold`, see `XAttentionCalibrator`. Its published tables are for a
/// model of 32 x 32 heads.
///
/// Faithful in what it selects; on equal scores the earlier block wins, and every query attends to
/// itself, since its own block is always taken. The scores of a block mix all of its tokens, later
/// ones too.
///
/// Budgets replace the thresholds. `mass` is τ. `density` is our addition: the largest threshold of
/// a layer, or with `densityScope` model of the model, the same for its heads, with which the mean
/// over query heads stays within it; where that of 0 does not, the most recent tokens.
public struct XAttention: SelectsByLevel {
  public static let about = StrategyFacts(
    "xattention",
    "Prompt queries attend to the blocks with the highest antidiagonal sums, up to a threshold; decode is dense.",
    .faithful, source: "Xu et al. 2025, arXiv 2503.16428; github.com/mit-han-lab/x-attention",
    budgets: [.density, .mass, .matching])

  @Parameter(
    "tokens of a cell, of which one antidiagonal is added up; divides blockSize", 1...65_536)
  public var stride = 16
  @Parameter(
    "share of a block row's score to take; a budget replaces it", 0...1, isReplacedByBudget: true)
  public var threshold = 0.9
  @Parameter("queries and keys of a block", 1...65_536, isBlockSize: true) public var blockSize =
    128
  @Parameter(
    "a threshold for each query head, layer after layer; a budget replaces them", 0...1,
    isReplacedByBudget: true)
  public var thresholds: [Double]? = nil
  @Parameter(
    "a shipped corpus by name, or a text file, to find thresholds with; without it threshold counts for all heads; a budget replaces it",
    isReplacedByBudget: true)
  public var calibrationCorpus: String? = nil
  @Parameter("tokens of the calibration pass; by default 4096, at most the model's context", 2...)
  public var calibrationLength: Int? = nil
  @Parameter(DensityScope.summary, isLeftOutAtDefault: true)
  public var densityScope = DensityScope.layer
  public var budget: Budget?
  public var level: Double?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    guard blockSize % stride == 0 else {
      throw ConfigurationError(
        "stride", "\(stride) does not divide blockSize \(blockSize); use a divisor of it, such as 8"
      )
    }
    if case .tokens(let tokens) = budget {
      throw ConfigurationError(tokens: tokens, Self.about.name)
    }
    if budget == nil, thresholds != nil || calibrationCorpus != nil {
      try HeadValues.ofQueryHeads("threshold", shape)
        .check(thresholds, "thresholds", layers: shape.layers)
    }
  }

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

  /// By query head of a layer; a density sets them later.
  private func thresholds(_ layer: LayerView) -> [Double] {
    let heads = layer.shape.queryHeads
    switch budget {
    case .mass(let mass): return Array(repeating: mass, count: heads)
    case nil where thresholds != nil:
      return Array((thresholds ?? [])[layer.layer * heads..<(layer.layer + 1) * heads])
    default: return Array(repeating: threshold, count: heads)
    }
  }

  public func estimates(_ layer: LayerView) -> [XAttentionEstimate] {
    let scores = layer.antidiagonalScores(stride: stride, blockSize: blockSize)
    return layer.forEachQueryHead {
      XAttentionEstimate(scores[$0], tokens: layer.queryCount, blockSize: blockSize)
    }
  }

  public func level(
    of estimates: [XAttentionEstimate], atMost limit: Int,
    sum: (_ count: Int, _ pairs: (Int) -> Int) -> Int
  ) -> Double? {
    DensityBudget.largest(from: 0, through: 1, steps: 30, atMost: limit) { threshold in
      sum(estimates.count) { estimates[$0].pairs(threshold: threshold) }
    }
  }

  private func choose(_ layer: LayerView) -> State {
    let thresholds = thresholds(layer)
    let density = DensityBudget(budget)
    // A threshold of 1 takes every block that has a score; a budget of everything takes every one.
    if density?.coversEverything ?? thresholds.allSatisfy({ $0 >= 1 }) { return State() }
    let estimates = estimates(layer)
    var found: Double?
    if let density {
      found = level(of: estimates, density, layer)
      if found == nil { return State(uniform: density.mostRecent(tokens: layer.queryCount)) }
    }
    return State(
      heads: layer.forEachQueryHead { [found] head in
        estimates[head].select(threshold: found ?? thresholds[head])
      })
  }
}
