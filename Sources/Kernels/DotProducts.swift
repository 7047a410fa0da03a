/// Scalar products of one vector with the rows of a matrix, sixteen rows at a time.
enum DotProducts {
  /// q·k_r for the rows r = 0…15 at `keys`, each `count` floats, without gaps: lane r is row min(r, last)'s.
  ///
  /// Sums in Float with 16 lanes; the lanes of all rows are added together in four rounds.
  @inline(__always)
  static func sixteen(
    _ query: UnsafePointer<Float>, with keys: UnsafePointer<Float>, last: Int = 15, count: Int
  ) -> SIMD16<Float> {
    var sums = InlineArray<16, SIMD16<Float>>(repeating: .zero)
    for row in 0..<16 {
      let key = keys + min(row, last) &* count
      var sum = SIMD16<Float>.zero
      var i = 0
      while i &+ 16 <= count {
        sum = sum.addingProduct(loadVector(query + i), loadVector(key + i))
        i &+= 16
      }
      sums[unchecked: row] = sum
    }
    var result = reduce(sums)
    for i in count / 16 * 16..<count {
      for row in 0..<16 { result[row] += query[i] * keys[min(row, last) &* count &+ i] }
    }
    return result
  }

  /// The sum of the lanes of each vector, in order.
  @inline(__always)
  private static func reduce(_ sums: InlineArray<16, SIMD16<Float>>) -> SIMD16<Float> {
    var eight = InlineArray<8, SIMD16<Float>>(repeating: .zero)
    for i in 0..<8 {
      eight[unchecked: i] = pairSums(sums[unchecked: 2 &* i], sums[unchecked: 2 &* i &+ 1])
    }
    var four = InlineArray<4, SIMD16<Float>>(repeating: .zero)
    for i in 0..<4 {
      four[unchecked: i] = pairSums(eight[unchecked: 2 &* i], eight[unchecked: 2 &* i &+ 1])
    }
    return pairSums(
      pairSums(four[unchecked: 0], four[unchecked: 1]),
      pairSums(four[unchecked: 2], four[unchecked: 3]))
  }

  /// Sums of neighbouring lanes: those of `first` in the lower half, those of `second` in the upper one.
  @inline(__always)
  private static func pairSums(_ first: SIMD16<Float>, _ second: SIMD16<Float>) -> SIMD16<Float> {
    var even = SIMD16<Float>.zero
    even.lowHalf = first.evenHalf
    even.highHalf = second.evenHalf
    var odd = SIMD16<Float>.zero
    odd.lowHalf = first.oddHalf
    odd.highHalf = second.oddHalf
    return even + odd
  }
}
