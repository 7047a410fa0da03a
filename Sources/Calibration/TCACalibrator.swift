import Attention
import Kernels
import Records
import Synchronization
import Tensors

/// TCA's offline phase (arXiv 2512.09238): simulates the online selection of every head with every candidate on one
/// dense pass, and measures the attention mass that queries keep.
///
/// For each head: importance of the keys from the last query or queries, a selection for each of the 14 candidates, and
/// of each the figures of ``TCAEvidence/Figures``:
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

    public init(_ configuration: TCA.Configuration) {
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
  private var entries: [[TCAEvidence.Figures]] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
    selector = TCASelector(
      blockSize: options.blockSize, localWindow: options.localWindow, balance: options.balance,
      sinks: options.sinks)
    candidates = TCACandidate.all(blockSize: options.blockSize)
  }

  public mutating func observe(_ layer: LayerView, workspace: Workspace) {
    let n = layer.queries.rows
    tokens = n
    let membersPerEntry = options.isAggregate ? shape.queryHeadsPerKVHead : 1
    let count = shape.queryHeads / membersPerEntry
    let results = Mutex([[TCAEvidence.Figures]](repeating: [], count: count))
    workspace.workers.run(count: count) { item, _ in
      let members = item * membersPerEntry..<(item + 1) * membersPerEntry
      let figures = figures(of: members, layer)
      results.withLock { $0[item] = figures }
    }
    entries += results.withLock { $0 }
  }

  public consuming func finish() -> TCAEvidence {
    let membersPerEntry = options.isAggregate ? shape.queryHeadsPerKVHead : 1
    precondition(
      entries.count * membersPerEntry == shape.layers * shape.queryHeads,
      "TCACalibrator.finish: \(entries.count) entries for \(shape.layers) layers x \(shape.queryHeads) query heads"
    )
    return TCAEvidence(
      tokens: tokens, layers: shape.layers, queryHeads: shape.queryHeads,
      queryHeadsPerEntry: membersPerEntry, entries: entries)
  }

  // MARK: One head, or one group

  private func figures(of members: Range<Int>, _ layer: LayerView) -> [TCAEvidence.Figures] {
    let n = layer.queries.rows
    let end = selector.evictableEnd(forQuery: n - 1)
    guard end > 0 else { return [] }
    let keys = layer.heads[shape.kvHead(of: members.lowerBound)].keys
    let importance = importance(of: members, layer, keys: keys)
    var kept = Matrix(rows: end, columns: candidates.count)
    var counts: [Int] = []
    for (index, candidate) in candidates.enumerated() {
      let selection = selector.select(importance.prefix(end), candidate: candidate)
      for run in selection.runs { for key in run { kept[key, index] = 1 } }
      counts.append(selection.runTokenCount + n - end)
    }
    let masses = members.map { head in
      RetainedMass(
        queries: layer.queries, columns: columns(of: head), keys: keys,
        window: LocalWindow(width: options.localWindow, alignment: options.blockSize), kept: kept)
    }
    return candidates.indices.map { index in
      figures(candidate: index, kept: kept, keptCount: counts[index], masses: masses, tokens: n)
    }
  }

  private func figures(
    candidate: Int, kept: Matrix, keptCount: Int, masses: [RetainedMass], tokens n: Int
  ) -> TCAEvidence.Figures {
    // The first query with a non-empty evictable region; figures() has made sure that there is one.
    let first = options.localWindow + options.blockSize
    let pooled = masses.flatMap { head in
      head.masses[candidate * n + first..<(candidate + 1) * n].map(Double.init)
    }
    let last = masses.flatMap { head in
      head.masses[(candidate + 1) * n - min(options.blockSize, n)..<(candidate + 1) * n]
        .map(Double.init)
    }
    let columnMeans = masses.map { head in
      var keptSum = 0.0
      var total = 0.0
      for (key, sum) in head.columnSums.enumerated() {
        let mean = sum / Double(n - key)
        total += mean
        if key >= kept.rows || kept[key, candidate] > 0 { keptSum += mean }
      }
      return keptSum / total
    }
    return TCAEvidence.Figures(
      kept: keptCount, columnMean: Self.mean(columnMeans), meanMass: Self.mean(pooled),
      quantileMass: Self.quantile(0.1, of: pooled), lastBlock: Self.mean(last))
  }

  private func importance(of members: Range<Int>, _ layer: LayerView, keys: Rows) -> [Float] {
    var sum = [Float](repeating: 0, count: keys.count)
    var row = sum
    for head in members {
      AttentionWeights.meanSoftmax(
        queries: layer.queries, firstPosition: layer.firstQueryPosition,
        columns: columns(of: head), count: options.importanceQueries, newest: layer.newestQuery,
        keys: keys, into: &row)
      for index in sum.indices { sum[index] += row[index] }
    }
    guard members.count > 1 else { return sum }
    let share = 1 / Float(members.count)
    for index in sum.indices { sum[index] *= share }
    return sum
  }

  private func columns(of head: Int) -> Range<Int> {
    head * shape.headDimension..<(head + 1) * shape.headDimension
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }

  /// Linear interpolation between order statistics, at position share · (count − 1).
  private static func quantile(_ share: Double, of values: [Double]) -> Double {
    let sorted = values.sorted()
    let position = share * Double(sorted.count - 1)
    let lower = Int(position.rounded(.down))
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - Double(lower))
  }
}
