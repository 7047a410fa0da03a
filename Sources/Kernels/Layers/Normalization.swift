import Tensors
import Threads

/// Normalisation of the rows of a matrix.
public enum Normalization {
  /// Root mean square: `output[r, i] = input[r, i] / √(mean_j input[r, j]² + epsilon) · weight[i]`.
  ///
  /// Squares are added in Float with 16 lanes, the lanes in Double. Traps unless `output` is shaped
  /// as `input` and `weight` has a number for each column.
  public static func rms(
    _ input: Matrix, weight: [Float], epsilon: Float, into output: inout Matrix,
    workers: WorkerPool
  ) {
    precondition(
      output.rows == input.rows && output.columns == input.columns
        && weight.count == input.columns,
      """
      Normalization.rms: input \(input.rows) x \(input.columns), output \(output.rows) x \
      \(output.columns), \(weight.count) weights
      """)
    let columns = input.columns
    guard !input.elements.isEmpty else { return }
    input.elements.withUnsafeBufferPointer { source in
      output.elements.withUnsafeMutableBufferPointer { target in
        weight.withUnsafeBufferPointer { weight in
          nonisolated(unsafe) let source = source.baseAddress!
          nonisolated(unsafe) let target = target.baseAddress!
          nonisolated(unsafe) let weight = weight.baseAddress!
          workers.runRanges(total: input.rows, minimumChunk: 32) { rows, _ in
            for row in rows {
              normalize(
                source + row * columns, weight, epsilon, into: target + row * columns,
                count: columns)
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func normalize(
    _ source: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float,
    into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    var lanes = SIMD16<Float>.zero
    var i = 0
    while i &+ 16 <= count {
      let x = loadVector(source + i)
      lanes.addProduct(x, x)
      i &+= 16
    }
    var total = 0.0
    for lane in 0..<16 { total += Double(lanes[lane]) }
    while i < count {
      total += Double(source[i]) * Double(source[i])
      i &+= 1
    }
    let scale = Float(1 / (total / Double(count) + Double(epsilon)).squareRoot())
    i = 0
    while i &+ 16 <= count {
      storeVector(loadVector(source + i) * scale * loadVector(weight + i), at: target + i)
      i &+= 16
    }
    while i < count {
      target[i] = source[i] * scale * weight[i]
      i &+= 1
    }
  }
}
