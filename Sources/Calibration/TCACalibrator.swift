import Attention
import Tensors
import Threads

/// TCA's offline phase (arXiv 2512.09238): simulates the online selection of every head with every candidate on one
/// dense pass, and measures the attention mass that queries keep.
///
/// For each head: importance of the keys from the last query or queries, a selection for each of the 14 candidates, and
/// of each these figures, exact over all queries:
///
/// - `columnMean`: with a_j the mean of A_ij over the queries that see key j, Σ a_j over kept keys and the last query's
///   window, of Σ a_j over all keys;
/// - `meanMass`, `quantileMass`: mean and 10 % quantile (linear between order statistics, position 0.1·(m−1)) of the
///   retained mass over the m queries with a non-empty evictable region;
/// - `lastBlock`: its mean over the last `blockSize` queries.
///
/// With groupMerge `aggregate` a group has one selection, from its mean importance; its figures pool the (query head,
/// query) pairs, and `columnMean` is the mean of its heads'.
public struct TCACalibrator: Calibrator {
  /// The parameters that decide the evidence; threshold and criterion choose from it afterwards.
  public struct Options: Codable, Hashable, Sendable {
    public var blockSize: Int
    public var localWindow: Int
    public var balance: Double
    public var sinks: Int
    public var importanceQueries: Int
    public var isAggregate: Bool

    init(_ configuration: TCA) {
      blockSize = configuration.blockSize
      localWindow = configuration.localWindow
      balance = configuration.balance
      sinks = configuration.sinks
      importanceQueries = configuration.importanceQueries
      isAggregate = configuration.groupMerge == .aggregate
    }
  }

  private let options: Options
  private let shape: AttentionShape
  private let selector: TCASelector
  private let candidates: [TCACandidate]
  private var tokens = 0
  private var entries: [TCAEvidence.Entry] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
    selector = TCASelector(
      blockSize: options.blockSize, localWindow: options.localWindow, balance: options.balance,
      sinks: options.sinks)
    candidates = TCACandidate.all(blockSize: options.blockSize)
  }

  private var queryHeadsPerEntry: Int { options.isAggregate ? shape.queryHeadsPerKVHead : 1 }

  public mutating func observe(_ layer: LayerView) {
    tokens = layer.queries.rows
    let size = queryHeadsPerEntry
    entries += layer.workspace.workers.map(count: shape.queryHeads / size) {
      entry(of: $0 * size..<($0 + 1) * size, layer)
    }
  }

  public consuming func finish() -> TCAEvidence {
    precondition(
      entries.count * queryHeadsPerEntry == shape.layers * shape.queryHeads,
      "TCACalibrator.finish: \(entries.count) entries for \(shape.layers) layers x \(shape.queryHeads) query heads"
    )
    return TCAEvidence(
      tokens: tokens, layers: shape.layers, queryHeads: shape.queryHeads,
      queryHeadsPerEntry: queryHeadsPerEntry, entries: entries)
  }

  // MARK: One head, or one group

  private func entry(of heads: Range<Int>, _ layer: LayerView) -> TCAEvidence.Entry {
    var entry = TCAEvidence.Entry()
    let end = selector.evictableEnd(forQuery: layer.newestQuery)
    guard end > 0 else { return entry }
    let importance = layer.mean(over: heads) {
      layer.meanSoftmaxRow(ofHead: $0, lastQueries: options.importanceQueries)
    }
    let choices = candidates.map { selector.select(importance.prefix(end), candidate: $0) }
    let window = LocalWindow(width: options.localWindow, alignment: options.blockSize)
    let masses = heads.map {
      layer.retainedMass(ofHead: $0, window: window, choices: choices)
    }
    let columns = masses.map { ColumnMeans(sums: $0.columnSums) }
    // The first query with a non-empty evictable region, and the last block.
    let first = options.localWindow + options.blockSize
    let lastBlock = max(0, tokens - options.blockSize)
    for (index, choice) in choices.enumerated() {
      var pooled = masses.flatMap { $0.masses(ofChoice: index).dropFirst(first) }
      let last = masses.flatMap { $0.masses(ofChoice: index).dropFirst(lastBlock) }
      let shares = columns.map { $0.share(of: choice, from: end) }
      entry.kept.append(choice.runTokenCount + tokens - end)
      entry.columnMean.append(Rounding.mass(shares.reduce(0, +) / Double(shares.count)))
      entry.meanMass.append(Rounding.mass(Self.mean(pooled)))
      entry.lastBlock.append(Rounding.mass(Self.mean(last)))
      entry.quantileMass.append(Rounding.mass(Self.quantile(0.1, of: &pooled)))
    }
    return entry
  }

  /// a_j of each key of one head.
  private struct ColumnMeans {
    let means: [Double]
    let total: Double

    init(sums: [Double]) {
      means = sums.enumerated().map { key, sum in sum / Double(sums.count - key) }
      total = means.reduce(0, +)
    }

    /// Σ a_j over the runs of a choice and the keys from `end` on, of Σ a_j.
    func share(of choice: Selection, from end: Int) -> Double {
      let inWindow = means[end...].reduce(0, +)
      return choice.runs.reduce(inWindow) { $0 + means[$1].reduce(0, +) } / total
    }
  }

  private static func mean(_ values: [Float]) -> Double {
    values.reduce(0) { $0 + Double($1) } / Double(values.count)
  }

  /// Linear between order statistics, at position share · (count − 1). Changes the order of `values`.
  static func quantile(_ share: Double, of values: inout [Float]) -> Double {
    let position = share * Double(values.count - 1)
    let lower = Int(position.rounded(.down))
    // All values from the one of rank `lower` on, itself last: the next is the smallest before it.
    values.moveLargestToFront(values.count - lower)
    let larger = values[..<(values.count - 1 - lower)]
    let value = Double(values[larger.endIndex])
    let next = larger.min().map(Double.init) ?? value
    return value + (next - value) * (position - Double(lower))
  }
}
