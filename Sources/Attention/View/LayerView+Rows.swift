import Kernels
import Tensors

/// Statistics of keys and values, independent of the queries.
extension LayerView {
  /// ‖k‖₂ of each key held, in double precision, by slot.
  public func keyNorms(ofKVHead kvHead: Int) -> [Double] { Self.norms(heads[kvHead].keys) }

  /// ‖v‖₂ of each value held, in double precision, by slot.
  public func valueNorms(ofKVHead kvHead: Int) -> [Double] { Self.norms(heads[kvHead].values) }

  /// How far each value held is from the mean of all, in double precision, by slot.
  public func valueDistancesFromMean(ofKVHead kvHead: Int) -> [Double] {
    let values = heads[kvHead].values
    var mean = [Double](repeating: 0, count: values.width)
    for slot in 0..<values.count {
      let value = values.row(slot)
      for i in mean.indices { mean[i] += Double(value[i]) / Double(values.count) }
    }
    return Self.norms(values, from: mean)
  }

  private static func norms(_ rows: Rows, from origin: [Double]? = nil) -> [Double] {
    let origin = origin ?? [Double](repeating: 0, count: rows.width)
    return (0..<rows.count).map { index in
      let row = rows.row(index)
      var squares = 0.0
      for i in row.indices {
        let number = Double(row[i]) - origin[i]
        squares += number * number
      }
      return squares.squareRoot()
    }
  }

  /// The cosine between each key held and the mean of the unit vectors along all of them, in double
  /// precision, by slot; 0 for a key of length 0.
  public func cosinesToMeanKey(ofKVHead kvHead: Int) -> [Double] {
    let keys = heads[kvHead].keys
    let lengths = keyNorms(ofKVHead: kvHead)
    var anchor = [Double](repeating: 0, count: keys.width)
    for slot in 0..<keys.count where lengths[slot] > 0 {
      Self.add(keys.row(slot), times: 1 / lengths[slot], to: &anchor)
    }
    // The anchor's own length divides all cosines alike.
    let anchorLength = anchor.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return (0..<keys.count).map { slot in
      guard lengths[slot] > 0, anchorLength > 0 else { return 0 }
      return Self.product(keys.row(slot), anchor) / (lengths[slot] * anchorLength)
    }
  }

  private static func add(_ row: Span<Float>, times scale: Double, to sum: inout [Double]) {
    for i in row.indices { sum[i] += Double(row[i]) * scale }
  }

  private static func product(_ row: Span<Float>, _ other: [Double]) -> Double {
    var product = 0.0
    for i in row.indices { product += Double(row[i]) * other[i] }
    return product
  }

  /// How much each key held differs in direction from those around it: 1 less the mean cosine between it and the keys of the
  /// `side` slots before and after it and its own, in double precision, by slot, 0…2. A cosine with a key of no length, or of
  /// none that is finite, is 0.
  public func keyOddness(ofKVHead kvHead: Int, side: Int) -> [Double] {
    let keys = heads[kvHead].keys
    let lengths = Self.norms(keys).map { $0.isFinite ? $0 : 0 }
    var sum = [Double](repeating: 0, count: keys.width)
    func add(_ slots: Range<Int>, _ sign: Double) {
      for slot in slots where lengths[slot] > 0 {
        Self.add(keys.row(slot), times: sign / lengths[slot], to: &sum)
      }
    }
    var around = 0..<0
    return (0..<keys.count).map { slot in
      let now = max(0, slot - side)..<min(keys.count, slot + side + 1)
      add(around.upperBound..<now.upperBound, 1)
      add(around.lowerBound..<now.lowerBound, -1)
      around = now
      guard lengths[slot] > 0 else { return 1 }
      return max(
        0, 1 - Self.product(keys.row(slot), sum) / (lengths[slot] * Double(now.count)))
    }
  }

  /// How much the keys in `slots` vary from channel to channel, each channel scaled by its range
  /// over `reference`: the standard deviation over channels (divided by d − 1). A channel that is
  /// constant there counts as 0.
  public func keyDeviations(
    ofKVHead kvHead: Int, in slots: Range<Int>, scaledBy reference: Range<Int>
  ) -> [Double] { Self.deviations(heads[kvHead].keys, slots, reference) }

  /// The same for values.
  public func valueDeviations(
    ofKVHead kvHead: Int, in slots: Range<Int>, scaledBy reference: Range<Int>
  ) -> [Double] { Self.deviations(heads[kvHead].values, slots, reference) }

  private static func deviations(
    _ rows: Rows, _ slots: Range<Int>, _ reference: Range<Int>
  ) -> [Double] {
    let d = rows.width
    var minima = [Float](repeating: .infinity, count: d)
    var maxima = [Float](repeating: -.infinity, count: d)
    for slot in reference {
      let row = rows.row(slot)
      for i in 0..<d {
        minima[i] = min(minima[i], row[i])
        maxima[i] = max(maxima[i], row[i])
      }
    }
    let scales = (0..<d).map { i in
      maxima[i] > minima[i] ? 1 / (Double(maxima[i]) - Double(minima[i])) : 0
    }
    return slots.map { slot in
      let row = rows.row(slot)
      var sum = 0.0
      var squares = 0.0
      for i in 0..<d { sum += (Double(row[i]) - Double(minima[i])) * scales[i] }
      let mean = sum / Double(d)
      for i in 0..<d {
        let difference = (Double(row[i]) - Double(minima[i])) * scales[i] - mean
        squares += difference * difference
      }
      return (squares / Double(max(1, d - 1))).squareRoot()
    }
  }
}
