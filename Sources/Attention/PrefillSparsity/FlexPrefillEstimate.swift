import Foundation
import Tensors

/// What FlexPrefill bases its selection on, for one head of one prompt: enough for any coverage.
public struct FlexPrefillEstimate: Sendable {
  /// Whether the head's pattern follows its queries: D < τ.
  let isQueryAware: Bool
  /// D, the square root of the Jensen-Shannon divergence between estimated and observed block
  /// attention.
  let divergence: Double
  let tokens: Int
  private let blockSize: Int
  /// Sums of the largest shares of attention, of columns and of diagonals.
  private let columnCover: [Double]
  private let distanceCover: [Double]
  /// Key blocks, and distances in blocks; the best first.
  private let columnOrder: [Int]
  private let distanceOrder: [Int]
  /// Blocks of the whole matrix, the heaviest first, and the sums of their weights; of a
  /// query-aware head only.
  private let cells: [Int]
  private let cellCover: [Double]

  init(_ layer: LayerView, head: Int, blockSize: Int, tau: Double) {
    let tokens = layer.queryCount
    self.tokens = tokens
    self.blockSize = blockSize
    let blocks = (tokens + blockSize - 1) / blockSize
    let observed = layer.observedAttention(ofHead: head, lastQueries: blockSize)
    let share = 1 / Double(observed.queryCount)
    columnCover = Self.cover(observed.columns, share)
    distanceCover = Self.cover(observed.distances, share)

    let columnSums = (0..<blocks).map { block in
      Self.sum(
        observed.columns, block * blockSize..<min((block + 1) * blockSize, tokens), share)
    }
    // Diagonals are taken in blocks from the longest distance on, so that the nearest block may be
    // a ragged one.
    let distanceSums = (0..<blocks).map { block in
      let longest = tokens - 1 - block * blockSize
      return Self.sum(
        observed.distances, max(0, longest - blockSize + 1)..<longest + 1, share)
    }
    columnOrder = Self.order(columnSums, first: 0)
    distanceOrder = Self.order(distanceSums, first: blocks - 1).map { blocks - 1 - $0 }

    let estimated = layer.blockAttention(
      ofHead: head, ofLast: observed.queryCount, blockSize: blockSize
    ).map(Double.init)
    divergence = Self.divergence(estimated, columnSums)
    isQueryAware = divergence < tau
    (cells, cellCover) =
      isQueryAware
      ? Self.rankCells(layer.blockAttention(ofHead: head, blockSize: blockSize)) : ([], [])
  }

  // MARK: Selecting

  /// The blocks that cover `gamma` of the attention.
  ///
  /// - Parameter limits: the least and the most blocks of columns, and of diagonals.
  func select(gamma: Double, limits: ClosedRange<Int>) -> BlockSelection {
    var selection = BlockSelection(blockSize: blockSize, tokens: tokens)
    let blocks = selection.blocks
    var kept = [[Int]](repeating: [], count: blocks)
    if isQueryAware {
      let limit = gamma * Double(blocks)
      for cell in cells.prefix(Self.count(cellCover, upTo: limit)) {
        kept[cell / blocks].append(cell % blocks)
      }
    }
    let columns = columnOrder.prefix(size(columnCover, gamma, limits))
    let distances = distanceOrder.prefix(size(distanceCover, gamma, limits))
    for block in 0..<blocks {
      for distance in distances where distance <= block { kept[block].append(block - distance) }
      selection.set(block, keys: kept[block] + columns)
    }
    return selection
  }

  private func size(_ cover: [Double], _ gamma: Double, _ limits: ClosedRange<Int>) -> Int {
    if isQueryAware { return limits.lowerBound }
    let size = (Self.count(cover, upTo: gamma) + 1) / blockSize + 1
    return min(max(size, limits.lowerBound), limits.upperBound)
  }

  /// How many sums are at most `limit`. One that is no number ends it.
  private static func count(_ cover: [Double], upTo limit: Double) -> Int {
    cover.indices.bisected { !(cover[$0] <= limit) }
  }

  // MARK: Estimating

  /// Sums of the largest, the two largest, …
  private static func cover(_ values: [Float], _ share: Double) -> [Double] {
    var sum = 0.0
    return values.sorted(by: >).map { value in
      sum += Double(value) * share
      return sum
    }
  }

  private static func sum(_ values: [Float], _ range: Range<Int>, _ share: Double) -> Double {
    var sum = 0.0
    for index in range { sum += Double(values[index]) }
    return sum * share
  }

  /// Indices by falling score, `first` before all; the lower on ties.
  private static func order(_ scores: [Double], first: Int) -> [Int] {
    scores.indices.sorted { left, right in
      if (left == first) != (right == first) { return left == first }
      return scores[left] == scores[right] ? left < right : scores[left] > scores[right]
    }
  }

  /// √(½ Σ p ln(p/m) + ½ Σ q ln(q/m)), m = (p + q)/2; what is 0 contributes nothing.
  private static func divergence(_ p: [Double], _ q: [Double]) -> Double {
    var sum = 0.0
    for (p, q) in zip(p, q) {
      let mean = (p + q) / 2
      if p > 0 { sum += p * log(p / mean) / 2 }
      if q > 0 { sum += q * log(q / mean) / 2 }
    }
    return max(0, sum).squareRoot()
  }

  /// The weights of all block rows in one order, as cells row · blocks + column, and their sums.
  private static func rankCells(_ rows: [[Float]]) -> (cells: [Int], cover: [Double]) {
    let blocks = rows.count
    var ranks: [ScoreRank] = []
    for (row, weights) in rows.enumerated() {
      for (column, weight) in weights.enumerated() {
        ranks.append(ScoreRank(score: weight, index: row * blocks + column))
      }
    }
    ranks.sort(by: >)
    var sum = 0.0
    return (
      ranks.map(\.index),
      ranks.map { rank in
        sum += Double(rows[rank.index / blocks][rank.index % blocks])
        return sum
      }
    )
  }
}
