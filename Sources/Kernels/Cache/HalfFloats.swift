internal import CLookup
import CMemory

/// A number as a cache holds it, read as floats.
protocol CachedNumber {
  /// Sixteen numbers from memory of any alignment.
  static func vector(_ address: UnsafePointer<Self>) -> SIMD16<Float>
  var float: Float { get }
}

enum CachedRows {
  /// How many rows ahead of the one that is read others are asked for.
  static let ahead = 24
}

extension CachedNumber {
  /// Asks for the cache lines of `count` numbers.
  @inline(__always)
  static func prefetch(_ count: Int, at address: UnsafePointer<Self>) {
    let numbersOfLine = 64 / MemoryLayout<Self>.stride
    var i = 0
    while i < count {
      prefetch_line(address + i)
      i &+= numbersOfLine
    }
  }
}

extension Float: CachedNumber {
  @inline(__always)
  static func vector(_ address: UnsafePointer<Float>) -> SIMD16<Float> { loadVector(address) }
  @inline(__always)
  var float: Float { self }
}

extension Float16: CachedNumber {
  @inline(__always)
  static func vector(_ address: UnsafePointer<Float16>) -> SIMD16<Float> {
    lookup_half_vector(address)
  }
  @inline(__always)
  var float: Float { Float(self) }
}

/// Conversion between half floats and floats, sixteen at a time.
enum HalfFloats {
  @inline(__always)
  static func widen(
    _ source: UnsafePointer<Float16>, count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    var i = 0
    while i &+ 16 <= count {
      storeVector(Float16.vector(source + i), at: target + i)
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
