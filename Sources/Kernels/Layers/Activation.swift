import Tensors
import Threads

/// An element-wise function between the matrix products of a feed-forward network.
public enum Activation: Sendable, Hashable {
  /// silu(x) = x / (1 + e^−x).
  case silu
  /// GELU in its tanh form: x/2 · (1 + tanh u) = x / (1 + e^−2u), u = √(2/π) (x + 0.044 715 x³).
  case gelu

  /// `gate[r, i] = f(gate[r, i]) · up[r, i]`, where f is this function.
  ///
  /// SiLU is within a few ULP of the exact value, −0 for x below −88. GELU is within 1e-6 of |x|;
  /// NaN only for NaN and infinities. Traps unless both have the same shape.
  public func multiply(gate: inout Matrix, up: Matrix, workers: WorkerPool) {
    precondition(
      gate.rows == up.rows && gate.columns == up.columns,
      "Activation.multiply: gate \(gate.rows) x \(gate.columns), up \(up.rows) x \(up.columns)"
    )
    let total = up.elements.count
    guard total > 0 else { return }
    gate.elements.withUnsafeMutableBufferPointer { gate in
      up.elements.withUnsafeBufferPointer { up in
        nonisolated(unsafe) let gate = gate.baseAddress!
        nonisolated(unsafe) let up = up.baseAddress!
        workers.runRanges(total: total, minimumChunk: 8192) { range, _ in
          let (gate, up) = (gate + range.lowerBound, up + range.lowerBound)
          switch self {
          case .silu: Self.multiply(gate, up, count: range.count, Self.silu)
          case .gelu: Self.multiply(gate, up, count: range.count, Self.gelu)
          }
        }
      }
    }
  }

  @inline(__always)
  private static func silu(_ x: SIMD16<Float>) -> SIMD16<Float> { x / (1 + vectorExp(-x)) }

  @inline(__always)
  private static func gelu(_ x: SIMD16<Float>) -> SIMD16<Float> {
    let slope = SIMD16<Float>(repeating: -1.595_769_1).addingProduct(
      SIMD16(repeating: -0.071_354_814), x * x)
    return x / (1 + vectorExp(x * slope))
  }

  @inline(__always)
  private static func multiply(
    _ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int,
    _ function: (SIMD16<Float>) -> SIMD16<Float>
  ) {
    var i = 0
    while i &+ 16 <= count {
      storeVector(function(loadVector(gate + i)) * loadVector(up + i), at: gate + i)
      i &+= 16
    }
    guard i < count else { return }
    var last = SIMD16<Float>.zero
    for lane in 0..<count &- i { last[lane] = gate[i &+ lane] }
    last = function(last)
    for lane in 0..<count &- i { gate[i &+ lane] = last[lane] * up[i &+ lane] }
  }
}
