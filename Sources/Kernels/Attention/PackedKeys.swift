import Tensors

/// The keys and values that the runs of a selection name, gathered once and read by every query tile of a head.
///
/// Ascending by token position, so that the keys before any position are a prefix.
struct PackedKeys {
  private(set) var count = 0
  private(set) var keys: [Float] = []
  private(set) var values: [Float] = []
  private(set) var positions: [Int32] = []

  /// Gathers the tokens of `selection`'s runs that `head` holds up to position `last` (exclusive).
  mutating func gather(_ selection: Selection, from head: KVHead, before last: Int) {
    let d = head.headDimension
    count = 0
    positions.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    let first = head.firstRow
    for run in selection.runs {
      if run.lowerBound >= last { break }
      let begin = first + head.slot(atOrAfter: run.lowerBound)
      let end = first + head.slot(atOrAfter: min(run.upperBound, last))
      guard begin < end else { continue }
      keys.append(contentsOf: head.keyStorage[begin * d..<end * d])
      values.append(contentsOf: head.valueStorage[begin * d..<end * d])
      positions.append(contentsOf: head.positionStorage[begin..<end])
    }
    count = positions.count
  }

  /// The number of gathered tokens before `position`.
  func count(before position: Int) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if Int(positions[middle]) < position { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
