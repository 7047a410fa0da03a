import Tensors
import Threads

/// Element-wise functions between matrix products.
public enum Activation {
  /// `gate[r, i] = silu(gate[r, i]) · up[r, i]`, where silu(x) = x / (1 + e^−x).
  ///
  /// Within a few ULP of the exact value; −0 for x below −88. Traps unless both have the same
  /// shape.
  public static func siluMultiply(gate: inout Matrix, up: Matrix, workers: WorkerPool) {
    precondition(
      gate.rows == up.rows && gate.columns == up.columns,
      "Activation.siluMultiply: gate \(gate.rows) x \(gate.columns), up \(up.rows) x \(up.columns)"
    )
    let total = up.elements.count
    guard total > 0 else { return }
    gate.elements.withUnsafeMutableBufferPointer { gate in
      up.elements.withUnsafeBufferPointer { up in
        nonisolated(unsafe) let gate = gate.baseAddress!
        nonisolated(unsafe) let up = up.baseAddress!
        workers.runRanges(total: total, minimumChunk: 8192) { range, _ in
          siluMultiply(gate + range.lowerBound, up + range.lowerBound, count: range.count)
        }
      }
    }
  }

  @inline(__always)
  private static func silu(_ x: SIMD16<Float>) -> SIMD16<Float> { x / (1 + vectorExp(-x)) }

  private static func siluMultiply(
    _ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int
  ) {
    var i = 0
    while i &+ 16 <= count {
      storeVector(silu(loadVector(gate + i)) * loadVector(up + i), at: gate + i)
      i &+= 16
    }
    guard i < count else { return }
    var last = SIMD16<Float>.zero
    for lane in 0..<count &- i { last[lane] = gate[i &+ lane] }
    last = silu(last)
    for lane in 0..<count &- i { gate[i &+ lane] = last[lane] * up[i &+ lane] }
  }
}
