import Attention

/// What TCA's offline pass found out: for every layer and head, what each candidate keeps.
///
/// One pass serves every threshold and criterion. With groupMerge `aggregate` there is one entry a KV head, whose query
/// heads share a candidate; else one a query head.
public struct TCAEvidence: CalibrationEvidence {
  /// What the candidates keep in one head, a value for each of them by index; empty where no query had an evictable
  /// region. Masses are in 0…1, in steps of 1e-7: more digits float arithmetic does not support.
  public struct Entry: Codable, Hashable, Sendable {
    /// Tokens kept: selected ones and the local window of the last query.
    public var kept: [Int] = []
    public var columnMean: [Double] = []
    public var meanMass: [Double] = []
    public var quantileMass: [Double] = []
    public var lastBlock: [Double] = []

    public init() {}

    public func values(_ criterion: TCA.Criterion) -> [Double] {
      switch criterion {
      case .columnMean: columnMean
      case .meanMass: meanMass
      case .quantileMass: quantileMass
      case .lastBlock: lastBlock
      }
    }

    /// Of the candidates whose criterion reaches the threshold the one that keeps the fewest tokens; ties: the larger
    /// criterion, then the lower index. `TCACandidate.keepEverything` where none does.
    public func choose(threshold: Double, criterion: TCA.Criterion) -> Int {
      let values = values(criterion)
      let best = kept.indices.filter { values[$0] >= threshold }.min { left, right in
        if kept[left] != kept[right] { return kept[left] < kept[right] }
        return values[left] == values[right] ? left < right : values[left] > values[right]
      }
      return best ?? TCACandidate.keepEverything
    }
  }

  /// Tokens of the calibration text.
  public var tokens: Int
  public var layers: Int
  public var queryHeads: Int
  /// Query heads that share one entry: 1, or a group's.
  public var queryHeadsPerEntry: Int
  /// Layer after layer, head after head.
  public var entries: [Entry]

  public init(
    tokens: Int, layers: Int, queryHeads: Int, queryHeadsPerEntry: Int, entries: [Entry]
  ) {
    self.tokens = tokens
    self.layers = layers
    self.queryHeads = queryHeads
    self.queryHeadsPerEntry = queryHeadsPerEntry
    self.entries = entries
  }

  /// A candidate for each query head, layer after layer.
  public func choose(threshold: Double, criterion: TCA.Criterion) -> [Int] {
    entries.flatMap { entry in
      Array(
        repeating: entry.choose(threshold: threshold, criterion: criterion),
        count: queryHeadsPerEntry)
    }
  }

  public var isConsistent: Bool {
    queryHeadsPerEntry > 0 && entries.count.isMultiple(of: max(1, layers)) && layers > 0
      && entries.count / layers * queryHeadsPerEntry == queryHeads
      && entries.allSatisfy { entry in
        let count = entry.kept.count
        return (count == 0 || count == TCACandidate.count)
          && TCA.Criterion.allCases.allSatisfy { entry.values($0).count == count }
      }
  }
}
