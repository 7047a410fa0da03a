/// Queries of a prompt of which the newest count most: the newest `halfLife` of them, of as many before these every second, then
/// every fourth, until it would be none; fewer than twice `halfLife` in all. They count alike, instead of all with weights.
struct RecedingQueries {
  /// Ascending; the newest query is among them.
  let positions: [Int]

  init(ofTokens tokens: Int, halfLife: Int) {
    var positions: [Int] = []
    var (first, step) = (0, 1)
    while first < tokens, step <= halfLife {
      let ages = first..<min(tokens, first + halfLife)
      positions += stride(from: ages.lowerBound, to: ages.upperBound, by: step)
        .map { tokens - 1 - $0 }
      (first, step) = (ages.upperBound, step * 2)
    }
    self.positions = positions.reversed()
  }

  /// The mean attention that each token of the prompt has from those that see it.
  func meanAttention(_ layer: LayerView, queryHead: Int) -> [Float] {
    var attention = layer.sampledMass(
      ofHeads: queryHead..<queryHead + 1, at: positions, outside: nil)
    var seen = positions.count
    for token in attention.indices {
      if positions[positions.count - seen] < token { seen -= 1 }
      attention[token] /= Float(seen)
    }
    return attention
  }
}
