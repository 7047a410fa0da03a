import Tensors

/// The blocks of one head by their antidiagonal scores: enough for a selection at any threshold.
public struct XAttentionEstimate: Sendable {
  private struct Row: Sendable {
    /// Key blocks but the first and the newest, the highest score first.
    var order: [Int32]
    /// The score of all blocks taken before each of them, and of all.
    var before: [Double]
    var total: Double

    /// Blocks taken at a threshold: as long as those taken before hold less than that share. One that
    /// is no number ends it.
    func count(threshold: Double) -> Int {
      let wanted = threshold * total
      return before.indices.bisected { !(before[$0] < wanted) }
    }
  }

  private let tokens: Int
  private let blockSize: Int
  private let rows: [Row]

  /// - Parameter scores: for query block i those of the key blocks 0…i.
  init(_ scores: [[Double]], tokens: Int, blockSize: Int) {
    self.tokens = tokens
    self.blockSize = blockSize
    rows = scores.enumerated().map { block, scores -> Row in
      let between: Range<Int> = block > 1 ? 1..<block : 0..<0
      let order = between.sorted { left, right in
        scores[left] == scores[right] ? left < right : scores[left] > scores[right]
      }
      var sum = block > 0 ? scores[0] + scores[block] : scores[0]
      let before = order.map { key -> Double in
        defer { sum += scores[key] }
        return sum
      }
      return Row(order: order.map(Int32.init), before: before, total: scores.reduce(0, +))
    }
  }

  func select(threshold: Double) -> BlockSelection {
    var selection = BlockSelection(blockSize: blockSize, tokens: tokens)
    for (block, row) in rows.enumerated() {
      let taken = row.order.prefix(row.count(threshold: threshold)).map { Int($0) }
      selection.set(block, keys: [0, block] + taken)
    }
    return selection
  }

  /// Query-key pairs of the selection at a threshold.
  func pairs(threshold: Double) -> Int {
    rows.enumerated().reduce(0) { sum, item in
      let (block, row) = item
      let queries = min(blockSize, tokens - block * blockSize)
      let older = row.count(threshold: threshold) + (block > 0 ? 1 : 0)
      return sum + queries * blockSize * older + queries * (queries + 1) / 2
    }
  }
}
