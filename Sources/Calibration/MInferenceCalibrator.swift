import Attention
import Tensors
import Threads

/// MInference's offline phase (arXiv 2407.02490, algorithm 1): tries every candidate pattern on each head of one dense
/// pass, and measures the attention mass that it captures.
///
/// Each candidate's selection is made as at run time, from the whole text, and rounded to blocks alike. Its figure is the
/// mean over the queries of the text's second half (the repository leaves out the first 2,500) of the dense attention on
/// the keys that the query attends to. With a density each candidate is first brought to it by a scale of its own, as
/// the paper brings its candidates to one number of operations; else sizes count as given, and larger ones win.
public struct MInferenceCalibrator: Calibrator {
  /// The parameters that decide the evidence.
  public struct Options: Codable, Hashable, Sendable {
    public var verticals: Int
    public var slashes: Int
    public var topBlocks: Int
    public var blockSize: Int
    public var lastQueries: Int
    /// Counts where no density does.
    public var scale: Double?
    public var density: Double?

    init(_ strategy: MInference) {
      verticals = strategy.verticals
      slashes = strategy.slashes
      topBlocks = strategy.topBlocks
      blockSize = strategy.blockSize
      lastQueries = strategy.lastQueries
      if case .density(let density, _) = strategy.budget { self.density = density }
      scale = density == nil ? strategy.scale : nil
    }
  }

  private let options: Options
  private let strategy: MInference
  private let shape: AttentionShape
  private var tokens = 0
  private var entries: [MInferenceEvidence.Entry] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
    strategy = MInference {
      $0.verticals = options.verticals
      $0.slashes = options.slashes
      $0.topBlocks = options.topBlocks
      $0.scale = options.scale ?? 1
    }
  }

  public mutating func observe(_ layer: LayerView) {
    tokens = layer.queries.rows
    entries += layer.forEachQueryHead { entry(of: $0, layer) }
  }

  public consuming func finish() -> MInferenceEvidence {
    precondition(
      entries.count == shape.layers * shape.queryHeads,
      "MInferenceCalibrator.finish: \(entries.count) entries for \(shape.layers) layers x \(shape.queryHeads) query heads"
    )
    return MInferenceEvidence(
      tokens: tokens, layers: shape.layers, queryHeads: shape.queryHeads, entries: entries)
  }

  private func entry(of head: Int, _ layer: LayerView) -> MInferenceEvidence.Entry {
    let selections = selections(of: head, layer)
    let causal = Double(tokens) * Double(tokens + 1) / 2
    var entry = MInferenceEvidence.Entry()
    entry.density = selections.map {
      Rounding.mass(Double($0.pairs(tokens: tokens)) / causal)
    }
    entry.mass = masses(of: selections, head: head, layer).map(Rounding.mass)
    return entry
  }

  /// One selection a candidate.
  private func selections(of head: Int, _ layer: LayerView) -> [MInferenceSelection] {
    let candidates = strategy.candidates
    var estimates: [MInferencePattern.Kind: MInferenceEstimate] = [:]
    for kind in Set(candidates.map(\.kind)) {
      estimates[kind] = MInferenceEstimate(
        kind, layer, head: head, blockSize: options.blockSize, lastQueries: options.lastQueries,
        isForMany: true)
    }
    let tokens = layer.queries.rows
    return candidates.map { pattern in
      guard let estimate = estimates[pattern.kind] else { return .uniform(.everything) }
      guard let density = options.density else {
        return estimate.select(pattern.atRatio(strategy.scale))
      }
      let limit = DensityBudget(density: density).pairs(tokens: tokens, heads: 1)
      let scale = MInferenceScale.largest(
        [MInferenceHead(estimate: estimate, pattern: pattern, tokens: tokens)], atMost: limit
      ) { _, pairs in pairs(0) }
      return scale.map { estimate.select(pattern.scaled($0)) } ?? .uniform(Selection())
    }
  }

  /// The mean over the second half of the queries of what each selection captures.
  private func masses(
    of selections: [MInferenceSelection], head: Int, _ layer: LayerView
  ) -> [Double] {
    var masses = [Double](repeating: 0, count: selections.count)
    let firstCounted = tokens / 2
    layer.forEachBlockOfRows(
      ofHead: head, size: options.blockSize, from: firstCounted / options.blockSize
    ) { block, rows, weights, stride in
      for (index, selection) in selections.enumerated() {
        let selection = selection.selection(block)
        for query in rows where query >= firstCounted {
          let first = (query - rows.lowerBound) * stride
          masses[index] += Self.mass(
            weights.extracting(first..<first + query + 1), selection, query: query)
        }
      }
    }
    return masses.map { $0 / Double(tokens - firstCounted) }
  }

  private static func mass(_ row: Span<Float>, _ selection: Selection, query: Int) -> Double {
    let start = selection.window.start(forQuery: query)
    var sum: Float = 0
    for run in selection.runs {
      if run.lowerBound >= start { break }
      for key in run.lowerBound..<min(run.upperBound, start) { sum += row[key] }
    }
    for key in start...query { sum += row[key] }
    return Double(sum)
  }
}

/// What MInference's search found out.
public struct MInferenceEvidence: CalibrationEvidence {
  /// Of one query head, by candidate.
  public struct Entry: Codable, Hashable, Sendable {
    /// Captured attention mass, 0…1 in steps of 1e-7.
    public var mass: [Double] = []
    /// Attended pairs over causal pairs.
    public var density: [Double] = []

    public init() {}

    /// The candidate with the largest mass; of equal ones that with the smaller density, then the lower number.
    public var choice: Int {
      mass.indices.max { left, right in
        if mass[left] != mass[right] { return mass[left] < mass[right] }
        return density[left] == density[right] ? left > right : density[left] > density[right]
      } ?? 0
    }
  }

  /// Tokens of the calibration text.
  public var tokens: Int
  public var layers: Int
  public var queryHeads: Int
  /// Layer after layer, head after head.
  public var entries: [Entry]

  public init(tokens: Int, layers: Int, queryHeads: Int, entries: [Entry]) {
    self.tokens = tokens
    self.layers = layers
    self.queryHeads = queryHeads
    self.entries = entries
  }

  public var isConsistent: Bool {
    let candidates = MInference().candidates.count
    return layers > 0 && queryHeads > 0 && entries.count == layers * queryHeads
      && entries.allSatisfy { $0.mass.count == candidates && $0.density.count == candidates }
  }
}
