internal import CLookup

/// Horizontal sums and maxima of sixteen vectors at once.
///
/// With wide registers two vectors are combined at a time, or all are transposed, so that what is
/// combined lies in the same lane: three to five instructions a vector instead of twenty. Never inlined:
/// interleaved with the code before them, they compile to slower code.
enum LaneReduction {
  /// Lane r is the sum of the sixteen floats at `vectors + 16 r`.
  @inline(never)
  static func sums(_ vectors: UnsafePointer<Float>) -> SIMD16<Float> { lookup_lane_sums(vectors) }

  /// Lane r is the largest of the sixteen floats at `vectors + 16 r`; any if one is NaN.
  @inline(never)
  static func maxima(_ vectors: UnsafePointer<Float>) -> SIMD16<Float> {
    guard VectorRegisters.areWide else { return oneByOne(vectors) { $0.laneMaximum } }
    let lanes = turned(vectors)
    var eight = InlineArray<8, SIMD16<Float>>(repeating: .zero)
    for i in 0..<8 {
      eight[unchecked: i] = lanes[unchecked: i].orLarger(lanes[unchecked: i &+ 8])
    }
    var four = InlineArray<4, SIMD16<Float>>(repeating: .zero)
    for i in 0..<4 { four[unchecked: i] = eight[unchecked: i].orLarger(eight[unchecked: i &+ 4]) }
    return four[unchecked: 0].orLarger(four[unchecked: 2])
      .orLarger(four[unchecked: 1].orLarger(four[unchecked: 3]))
  }

  @inline(__always)
  private static func oneByOne(
    _ vectors: UnsafePointer<Float>, _ reduce: (SIMD16<Float>) -> Float
  ) -> SIMD16<Float> {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 64) { memory in
      let results = memory.baseAddress!.assumingMemoryBound(to: Float.self)
      for row in 0..<16 { results[row] = reduce(loadVector(vectors + 16 &* row)) }
      return loadVector(results)
    }
  }

  @inline(__always)
  private static func turned(
    _ vectors: UnsafePointer<Float>
  ) -> InlineArray<16, SIMD16<Float>> {
    var square = Panel.square { loadVector(vectors + 16 &* $0) }
    Panel.transpose(&square)
    return square
  }
}
