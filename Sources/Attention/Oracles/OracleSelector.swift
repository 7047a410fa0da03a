import Tensors

/// Selects the keys with the largest attention scores for one query of one query head, from the
/// exact scores.
///
/// The query's own token is always among them, as it is in every selection; of equal scores the
/// earlier key comes first. Costs a product with each key that the query can see, and expected
/// linear time for the choice.
public enum OracleSelector {
  /// How many keys.
  public enum Size: Sendable, Hashable {
    /// Exactly this many, the query's own included; all where there are fewer.
    case keys(Int)
    /// The fewest whose scores add up to at least this share of all.
    case mass(Double)

    /// Whether it leaves nothing out of `visible` keys.
    func covers(_ visible: Int) -> Bool {
      switch self {
      case .keys(let count): count >= visible
      case .mass(let mass): mass >= 1 || visible == 1
      }
    }
  }

  /// - Parameters:
  ///   - position: of a query in `layer`, whose own key the cache holds.
  public static func select(
    _ size: Size, _ layer: LayerView, head: Int, query position: Int
  ) -> Selection {
    let cache = layer.heads[layer.shape.kvHead(of: head)]
    let visible = cache.slot(atOrAfter: position + 1)
    if size.covers(visible) { return .everything }
    let weights = layer.softmaxRow(ofHead: head, at: position)
    var ranks = (0..<visible - 1).map { ScoreRank(score: weights[$0], index: $0) }
    let count: Int
    switch size {
    case .keys(let keys):
      count = max(0, keys - 1)
      ranks.moveLargestToFront(count)
    case .mass(let mass):
      count = fewest(&ranks, weights, reaching: mass - Double(weights[visible - 1]))
    }
    var keeps = [Bool](repeating: false, count: visible)
    for rank in ranks.prefix(count) { keeps[rank.index] = true }
    return Selection(slots: 0..<visible, of: cache) { keeps[$0] }
  }

  /// How many of the largest weights add up to `mass`; brings them to the front.
  ///
  /// Looks at the largest 32, then at four times as many, so that few are ever sorted.
  private static func fewest(
    _ ranks: inout [ScoreRank], _ weights: [Float], reaching mass: Double
  ) -> Int {
    guard mass > 0 else { return 0 }
    var count = 32
    while true {
      count = min(count, ranks.count)
      ranks.moveLargestToFront(count)
      let total = ranks.prefix(count).reduce(0) { $0 + Double(weights[$1.index]) }
      if total >= mass || count == ranks.count { break }
      count *= 4
    }
    ranks[..<count].sort(by: >)
    var sum = 0.0
    for index in 0..<count {
      if sum >= mass { return index }
      sum += Double(weights[ranks[index].index])
    }
    return count
  }
}

/// What the oracles that select for each query share: they select for prompt queries one by one,
/// computed a tile at a time, and for decode queries.
protocol QueryOracle: SelectsInPrefill, SelectsInDecode where State == QueryOracleState {
  var size: OracleSelector.Size { get }
  /// Whether prompt queries select.
  var prefill: Bool { get }
  /// Whether decode queries do.
  var decode: Bool { get }
}

/// The selections of the next prompt queries, one per query head.
public struct QueryOracleState: StrategyState {
  var tile = 0..<0
  var selections: [HeadSelections] = []
  /// Gone when the prompt has been attended.
  public var cacheBytes: Int { 0 }
}

extension QueryOracle {
  /// Queries whose selections are computed at once.
  private static var tileQueries: Int { 32 }

  public func makeState(layer: Int, shape: AttentionShape) -> QueryOracleState {
    QueryOracleState()
  }

  public var prefillGranularity: PrefillGranularity {
    prefill ? .queryBlock(of: 1, from: .firstToken) : .wholePrompt
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout QueryOracleState
  ) {
    guard prefill else { return }
    let query = queries.lowerBound
    if !state.tile.contains(query) {
      state.tile = query..<min(query + Self.tileQueries, layer.queryPositions.upperBound)
      state.selections = select(state.tile, layer)
    }
    selections = state.selections[query - state.tile.lowerBound]
    if query == layer.newestQuery { state = QueryOracleState() }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { decode ? 1 : .max }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout QueryOracleState
  ) {
    guard decode else { return }
    selections = select(layer.newestQuery..<layer.newestQuery + 1, layer)[0]
  }

  private func select(_ queries: Range<Int>, _ layer: LayerView) -> [HeadSelections] {
    let heads = layer.shape.queryHeads
    let chosen = layer.concurrently(queries.count * heads) { item in
      OracleSelector.select(
        size, layer, head: item % heads, query: queries.lowerBound + item / heads)
    }
    return queries.indices.map { query in
      let first = (query - queries.lowerBound) * heads
      var selections = HeadSelections(heads: 0)
      selections.selections = Array(chosen[first..<first + heads])
      return selections
    }
  }
}
