import Attention
import Kernels
import Tensors

/// M of the theorem's bound, for one layer under dense attention: the largest ‖v_j‖₁ of the tokens up
/// to a query, as the cache holds them when the query attends.
struct LargestValues {
  /// By KV head.
  fileprivate var heads: [Head]

  fileprivate struct Head {
    /// Of the tokens that stay as they are.
    var settled: Float = 0
    var settledCount = 0
    /// Of the others, as they are held now.
    var recent: Float = 0
  }

  init(kvHeads: Int) { heads = Array(repeating: Head(), count: kvHeads) }

  /// Takes note of tokens that have just attended.
  ///
  /// - Parameters:
  ///   - rows: of `values`, (tokens x kvHeads·headDimension), as they were computed.
  ///   - caches: of all tokens so far, one a KV head.
  /// - Returns: M of each of their queries, (KV heads x rows.count).
  mutating func note(
    _ rows: Range<Int>, of values: Matrix, phase: AttentionPhase, in caches: [KVHead]
  ) -> [Float] {
    var result: [Float] = []
    for (index, cache) in caches.enumerated() {
      result += heads[index].note(
        rows, of: values, column: index * cache.headDimension, phase, cache)
    }
    return result
  }
}

extension LargestValues.Head {
  fileprivate mutating func note(
    _ rows: Range<Int>, of values: Matrix, column: Int, _ phase: AttentionPhase, _ cache: KVHead
  ) -> [Float] {
    let format = cache.format.values
    let changes = format.changesWithAge
    var seen: [Float]
    if changes && (phase == .prefill || format.recentTokens > 0) {
      // They attended as they came, or as half floats, and may be held in few bits by now.
      let d = cache.headDimension
      seen = rows.map { row in
        let value = values.row(row).extracting(column..<column + d)
        var held = Matrix(rows: 1, columns: d, elements: value.indices.map { value[$0] })
        if phase == .decode {
          held = cache.format.values.storedExactly(held, headDimension: d)
        }
        return OutputDifference.absoluteSum(held.row(0))
      }
    } else {
      seen = Self.sums(cache, cache.count - rows.count..<cache.count)
    }
    var largest = max(settled, recent)
    for index in seen.indices {
      largest = max(largest, seen[index])
      seen[index] = largest
    }
    let final =
      changes
      ? max(settledCount, cache.count - cache.format.values.recentTokens) : cache.count
    settled =
      changes
      ? max(settled, Self.sums(cache, settledCount..<final).max() ?? 0) : largest
    recent = Self.sums(cache, final..<cache.count).max() ?? 0
    settledCount = final
    return seen
  }

  /// ‖v‖₁ of some slots.
  private static func sums(_ cache: KVHead, _ slots: Range<Int>) -> [Float] {
    let rows = cache.values(in: slots)
    return (0..<rows.count).map { OutputDifference.absoluteSum(rows.row($0)) }
  }
}
