/// Picks the most important of some keys without sorting them, in expected linear time and reused
/// memory.
///
/// Among equally important keys the earlier ranks higher, so that a choice is the same on every
/// machine.
public struct KeyRanking: Sendable {
  /// Each key's importance and index, in one number with the same order.
  private var ranks: [UInt64] = []

  public init() {}

  /// Calls `body` once for each of the `count` most important keys in `keys`, in no particular
  /// order; for all of them if there are fewer.
  ///
  /// - Parameters:
  ///   - importance: not negative, key j's at j; NaN ranks with 0.
  ///   - keys: indices of `importance`.
  public mutating func forMostImportant(
    _ count: Int, of importance: Span<Float>, in keys: some Sequence<Int>, _ body: (Int) -> Void
  ) {
    ranks.removeAll(keepingCapacity: true)
    for key in keys { ranks.append(Self.rank(importance[key], key)) }
    ranks.moveLargestToFront(count)
    for rank in ranks.prefix(count) { body(Self.key(rank)) }
  }

  /// The same for the least important; among equals the later one first.
  public mutating func forLeastImportant(
    _ count: Int, of importance: Span<Float>, in keys: some Sequence<Int>, _ body: (Int) -> Void
  ) {
    ranks.removeAll(keepingCapacity: true)
    for key in keys { ranks.append(~Self.rank(importance[key], key)) }
    ranks.moveLargestToFront(count)
    for rank in ranks.prefix(count) { body(Self.key(~rank)) }
  }

  /// The bits of floats that are not negative order as the floats do; the inverted index breaks
  /// ties.
  private static func rank(_ importance: Float, _ key: Int) -> UInt64 {
    let bits = importance > 0 ? importance.bitPattern : 0
    return UInt64(bits) << 32 | UInt64(UInt32.max - UInt32(key))
  }

  private static func key(_ rank: UInt64) -> Int {
    Int(UInt32.max - UInt32(truncatingIfNeeded: rank))
  }
}

extension Array where Element: Comparable {
  /// Moves the `count` largest elements to the front, in no particular order, the smallest of them
  /// last; the others follow. Expected linear time (a quicksort of one side only).
  ///
  /// Elements must have a total order: no NaN.
  public mutating func moveLargestToFront(_ count: Int) {
    guard count > 0, count <= self.count else { return }
    var low = 0
    var high = self.count - 1
    while low < high {
      let pivot = medianOfThree(low, (low + high) / 2, high)
      var i = low
      var j = high
      while i <= j {
        while self[i] > pivot { i += 1 }
        while self[j] < pivot { j -= 1 }
        if i <= j {
          swapAt(i, j)
          i += 1
          j -= 1
        }
      }
      // low...j holds what is at least the pivot, i...high what is at most the pivot.
      if count - 1 <= j {
        high = j
      } else if count - 1 >= i {
        low = i
      } else {
        return
      }
    }
  }

  private func medianOfThree(_ a: Int, _ b: Int, _ c: Int) -> Element {
    let (x, y, z) = (self[a], self[b], self[c])
    return Swift.max(Swift.min(x, y), Swift.min(Swift.max(x, y), z))
  }
}
