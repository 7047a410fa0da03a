import Attention

/// What TCA's offline pass found out: for every layer and head, what each candidate keeps.
///
/// One pass serves every threshold and criterion. With groupMerge `aggregate` there is one entry a KV head, whose query
/// heads share a candidate; else one a query head.
public struct TCAEvidence: Codable, Hashable, Sendable {
  /// What one candidate keeps in one head; all but `kept` in 0…1.
  public struct Figures: Codable, Hashable, Sendable {
    /// Tokens kept: selected ones and the local window of the last query.
    public var kept: Int
    public var columnMean: Double
    public var meanMass: Double
    public var quantileMass: Double
    public var lastBlock: Double

    public init(
      kept: Int, columnMean: Double, meanMass: Double, quantileMass: Double, lastBlock: Double
    ) {
      self.kept = kept
      self.columnMean = columnMean
      self.meanMass = meanMass
      self.quantileMass = quantileMass
      self.lastBlock = lastBlock
    }

    public func value(_ criterion: TCA.Criterion) -> Double {
      switch criterion {
      case .columnMean: columnMean
      case .meanMass: meanMass
      case .quantileMass: quantileMass
      case .lastBlock: lastBlock
      }
    }
  }

  /// Tokens of the calibration text.
  public var tokens: Int
  public var layers: Int
  public var queryHeads: Int
  /// Query heads that share one entry: 1, or a group's.
  public var queryHeadsPerEntry: Int
  /// By layer and head, the figures of the 14 candidates; empty where no query had an evictable region.
  public var entries: [[Figures]]

  public init(
    tokens: Int, layers: Int, queryHeads: Int, queryHeadsPerEntry: Int, entries: [[Figures]]
  ) {
    self.tokens = tokens
    self.layers = layers
    self.queryHeads = queryHeads
    self.queryHeadsPerEntry = queryHeadsPerEntry
    self.entries = entries
  }

  /// A candidate for each query head, layer after layer.
  ///
  /// Of the candidates whose criterion reaches the threshold the one that keeps the fewest tokens (ties: the larger
  /// criterion, then the lower index); `TCACandidate.keepEverything` where none does.
  public func choose(threshold: Double, criterion: TCA.Criterion) -> [Int] {
    entries.flatMap { figures in
      Array(
        repeating: Self.choose(among: figures, threshold: threshold, criterion: criterion),
        count: queryHeadsPerEntry)
    }
  }

  static func choose(
    among figures: [Figures], threshold: Double, criterion: TCA.Criterion
  ) -> Int {
    let valid = figures.indices.filter { figures[$0].value(criterion) >= threshold }
    let best = valid.min { left, right in
      let (a, b) = (figures[left], figures[right])
      if a.kept != b.kept { return a.kept < b.kept }
      let (x, y) = (a.value(criterion), b.value(criterion))
      return x == y ? left < right : x > y
    }
    return best ?? TCACandidate.keepEverything
  }
}
