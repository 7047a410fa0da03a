import Attention
import Records
import Tensors

/// The first KV head keeps the newest token alone, the last keeps everything, the others every third token.
struct RaggedHeads: Retains {
  static let about = fixture("ragged-heads")

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { true }

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState
  ) {
    for head in 0..<kept.count - 1 {
      kept[head] = Selection(window: .currentToken)
      if head > 0 {
        for position in stride(from: 0, to: layer.newestQuery, by: 3) { kept[head].keep(position) }
      }
    }
  }
}

/// Shares one choice among all heads of a layer, by the mean of their attention.
struct SharingHeads: SelectsInPrefill {
  static let about = fixture("sharing-heads")

  var selectionLooksAhead: Bool { true }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    var sums = [Double](repeating: 0, count: layer.queryCount)
    for head in 0..<selections.count {
      for (key, weight) in layer.softmaxRow(ofHead: head).enumerated() {
        sums[key] += Double(weight)
      }
    }
    let strongest = sums.indices.sorted { sums[$0] > sums[$1] }.prefix(6)
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 4))
      for position in strongest { selections[head].keep(position) }
    }
  }
}

/// Sinks and a window with positions counted in the cache.
struct RelativePositions: SelectsInPrefill, SelectsInDecode {
  static let about = fixture("relative-positions")

  var cachePositions: CachePositions? {
    CachePositions(sinks: 2, localWindow: 6, actsInPrefill: true)
  }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) { select(&selections) }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) { select(&selections) }

  private func select(_ selections: inout HeadSelections) {
    selections.fill(with: Selection(window: LocalWindow(width: 5)))
    for head in 0..<selections.count { selections[head].keep(0..<2) }
  }
}

func fixture(_ name: String, budgets: [BudgetForm] = []) -> StrategyFacts {
  StrategyFacts(name, "", .own, source: "", budgets: budgets)
}

/// The positions of the six keys that the newest query attends to most.
func strongestKeys(_ layer: LayerView, head: Int) -> [Int] {
  let weights = layer.softmaxRow(ofHead: head)
  let cache = layer.heads[layer.shape.kvHead(of: head)]
  return weights.indices.sorted { weights[$0] > weights[$1] }.prefix(6)
    .map { cache.position(ofSlot: $0) }
}
