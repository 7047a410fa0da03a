import CMemory

/// Sixteen floats from memory of any alignment.
@inline(__always)
func loadVector(_ address: UnsafePointer<Float>) -> SIMD16<Float> {
  UnsafeRawPointer(address).loadUnaligned(as: SIMD16<Float>.self)
}

/// Asks for the cache lines of `count` bytes, which will be read soon; any address will do.
@inline(__always)
func prefetchLines(_ count: Int, at address: UnsafeRawPointer) {
  var i = 0
  while i < count {
    prefetch_line(address + i)
    i &+= 64
  }
}

/// Sixteen floats to memory of any alignment.
@inline(__always)
func storeVector(_ vector: SIMD16<Float>, at address: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(address).storeBytes(of: vector, as: SIMD16<Float>.self)
}

extension SIMD16<Float> {
  /// The sum of all lanes, added pairwise: the library's `sum()` adds them one after the other.
  @inline(__always)
  var laneSum: Float {
    let eight = lowHalf + highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  /// Each lane without its sign.
  @inline(__always)
  var magnitudes: SIMD16<Float> {
    unsafeBitCast(
      unsafeBitCast(self, to: SIMD16<UInt32>.self) & 0x7fff_ffff, to: SIMD16<Float>.self)
  }

  /// The largest lane; any if one is NaN.
  @inline(__always)
  var laneMaximum: Float {
    var eight = lowHalf
    for lane in 0..<8 { eight[lane] = eight[lane] > highHalf[lane] ? eight[lane] : highHalf[lane] }
    let left = eight[0] > eight[4] ? eight[0] : eight[4]
    let right = eight[2] > eight[6] ? eight[2] : eight[6]
    let top = eight[1] > eight[5] ? eight[1] : eight[5]
    let rest = eight[3] > eight[7] ? eight[3] : eight[7]
    let first = left > right ? left : right
    let second = top > rest ? top : rest
    return first > second ? first : second
  }

  /// Lane by lane the larger one; one instruction.
  @inline(__always)
  func orLarger(_ other: SIMD16<Float>) -> SIMD16<Float> {
    var result = SIMD16<Float>.zero
    for lane in 0..<16 { result[lane] = self[lane] > other[lane] ? self[lane] : other[lane] }
    return result
  }
}

/// Memory for floats that is kept between calls and only grows; its contents are undefined.
///
/// Begins at a cache line, so that whole vectors in it do not cross one.
final class FloatBuffer {
  private(set) var count = 0
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit {
    ScratchMemory.total.subtract(memory.count, ordering: .relaxed)
    memory.deallocate()
  }

  /// The start of at least `count` floats. Earlier contents are lost if there were fewer.
  func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
    if count > self.count || memory.baseAddress == nil {
      memory.deallocate()
      let bytes = max(count, 1) * MemoryLayout<Float>.stride
      ScratchMemory.total.add(bytes - memory.count, ordering: .relaxed)
      memory = .allocate(byteCount: bytes, alignment: 64)
      memory.initializeMemory(as: Float.self, repeating: 0)
      self.count = max(count, 1)
    }
    // Never nil after the allocation above.
    return memory.baseAddress!.assumingMemoryBound(to: Float.self)
  }
}
