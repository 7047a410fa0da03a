import Tensors

/// What is taken off the rows of a head before they are coded, and added again: the mean of a prompt's keys, or values.
///
/// Exact rows stay as they are, so the product of a vector with it is added to those with coded rows.
struct RowCentre {
  /// Turned as the rows are: a Hadamard matrix of it.
  let turned: [Float]
  private let plain: [Float]

  var bytes: Int { turned.count * MemoryLayout<Float>.stride }

  /// The mean of a prompt's rows but for the sinks; nil for a short one.
  init?(_ source: Matrix, rows: Range<Int>, column: Int, width: Int, sinks: Int) {
    guard rows.count >= CacheFormat.leastCentred else { return nil }
    var sums = [Double](repeating: 0, count: width)
    for row in rows.dropFirst(sinks) {
      for i in 0..<width { sums[i] += Double(source[row, column + i]) }
    }
    let mean = sums.map { Float($0 / Double(rows.count - sinks)) }
    // A key that is no number takes no others with it.
    guard mean.allSatisfy(\.isFinite) else { return nil }
    plain = mean
    turned = [Float](unsafeUninitializedCapacity: width) { target, count in
      mean.withUnsafeBufferPointer { mean in
        Hadamard(width: width).withTurned(mean.baseAddress!) {
          target.baseAddress!.update(from: $0, count: width)
        }
      }
      count = width
    }
  }

  /// Calls `body` with rows from which it is taken off, one after the other.
  func withRest(
    of count: Int, _ numbers: UnsafePointer<Float>, stride: Int,
    _ body: (UnsafePointer<Float>) -> Void
  ) {
    let width = plain.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count * width) { memory in
      let rest = memory.baseAddress!  // a row has numbers
      for row in 0..<count {
        for i in 0..<width { rest[row * width + i] = numbers[row * stride + i] - plain[i] }
      }
      body(rest)
    }
  }
}
