/// Conversion between half floats and floats, sixteen at a time.
enum HalfFloats {
  @inline(__always)
  static func widen(
    _ source: UnsafePointer<Float16>, count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    var i = 0
    while i &+ 16 <= count {
      let halves = UnsafeRawPointer(source + i).loadUnaligned(as: SIMD16<Float16>.self)
      storeVector(SIMD16<Float>(halves), at: target + i)
      i &+= 16
    }
    while i < count {
      target[i] = Float(source[i])
      i &+= 1
    }
  }

  /// Rounds to the nearest half float, ties to even; what is too large becomes infinite.
  @inline(__always)
  static func narrow(
    _ source: UnsafePointer<Float>, count: Int, into target: UnsafeMutablePointer<Float16>
  ) {
    var i = 0
    while i &+ 16 <= count {
      let halves = SIMD16<Float16>(loadVector(source + i))
      UnsafeMutableRawPointer(target + i).storeBytes(of: halves, as: SIMD16<Float16>.self)
      i &+= 16
    }
    while i < count {
      target[i] = Float16(source[i])
      i &+= 1
    }
  }
}
