import Attention
import Kernels
import Synchronization
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
  }

  private let options: Options
  private let configuration: MInference.Configuration
  private let shape: AttentionShape
  private var tokens = 0
  private var entries: [MInferenceEvidence.Entry] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
    configuration = MInference.Configuration(
      verticals: options.verticals, slashes: options.slashes, topBlocks: options.topBlocks,
      scale: options.scale ?? 1, blockSize: options.blockSize, lastQueries: options.lastQueries)
  }

  public mutating func observe(_ layer: LayerView, workspace: Workspace) {
    tokens = layer.queries.rows
    let found = Mutex(
      [MInferenceEvidence.Entry](
        repeating: MInferenceEvidence.Entry(), count: shape.queryHeads))
    workspace.workers.run(count: shape.queryHeads) { head, _ in
      let entry = entry(of: head, layer)
      found.withLock { $0[head] = entry }
    }
    entries += found.withLock { $0 }
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
    let candidates = configuration.candidates
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
        return estimate.select(pattern.scaled(configuration.scale).withLeastSizes)
      }
      let limit = DensityBudget(density: density).pairs(tokens: tokens, heads: 1)
      let scale = MInferenceScale.largest(
        [(estimate: estimate, pattern: pattern)], tokens: tokens, atMost: limit,
        workers: WorkerPool())
      return scale.map { estimate.select(pattern.scaled($0)) } ?? .uniform(Selection())
    }
  }

  /// The mean over the second half of the queries of what each selection captures.
  private func masses(
    of selections: [MInferenceSelection], head: Int, _ layer: LayerView
  ) -> [Double] {
    let d = shape.headDimension
    let keys = layer.heads[shape.kvHead(of: head)].keys
    let stride = (tokens + 15) / 16 * 16
    let size = options.blockSize
    var weights = [Float](repeating: 0, count: min(size, tokens) * stride)
    var masses = [Double](repeating: 0, count: selections.count)
    let firstCounted = tokens / 2
    for block in firstCounted / size..<(tokens + size - 1) / size {
      let rows = block * size..<min((block + 1) * size, tokens)
      AttentionWeights.causalRows(
        rows, queries: layer.queries, columns: head * d..<(head + 1) * d, keys: keys,
        into: &weights, stride: stride)
      for (index, selection) in selections.enumerated() {
        let selection = selection.selection(block)
        for query in rows where query >= firstCounted {
          let first = (query - rows.lowerBound) * stride
          masses[index] += Self.mass(
            weights.span.extracting(first..<first + query + 1), selection, query: query)
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
public struct MInferenceEvidence: Codable, Hashable, Sendable {
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

  /// Whether the counts fit each other: false of a damaged record.
  var isConsistent: Bool {
    let candidates = MInference.Configuration().candidates.count
    return layers > 0 && queryHeads > 0 && entries.count == layers * queryHeads
      && entries.allSatisfy { $0.mass.count == candidates && $0.density.count == candidates }
  }
}

/// Digits that float arithmetic supports.
enum Rounding {
  static func mass(_ mass: Double) -> Double { min(1, max(0, (mass * 1e7).rounded() / 1e7)) }
}
