import Tensors
import Threads

/// Root mean square norms: `x_i / √(mean_j x_j² + epsilon) · weight_i`.
///
/// A group of as many numbers as there are weights is normalised on its own: a row of a matrix, or
/// a head in it. Squares are added in Float with 16 lanes, the lanes in Double.
public enum Normalization {
  /// `output` becomes the norm of each row of `input`, or of some of them.
  ///
  /// - Parameter rows: nil for all.
  ///
  /// Traps unless `output` (rows x columns) and `weight` (columns) fit.
  public static func rms(
    _ input: Matrix, rows: Range<Int>? = nil, weight: [Float], epsilon: Float,
    into output: inout Matrix, workers: WorkerPool
  ) {
    let rows = rows ?? 0..<input.rows
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= input.rows && output.rows == rows.count
        && output.columns == input.columns && weight.count == input.columns,
      """
      Normalization.rms: rows \(rows) of \(input.rows) x \(input.columns), output \(output.rows) x \
      \(output.columns), \(weight.count) weights
      """)
    let elements = rows.lowerBound * input.columns..<rows.upperBound * input.columns
    input.elements.withUnsafeBufferPointer { source in
      output.elements.withUnsafeMutableBufferPointer { target in
        normalize(
          UnsafeBufferPointer(rebasing: source[elements]), weight, epsilon, into: target, workers)
      }
    }
  }

  /// Each group of `weight.count` columns becomes its norm: the heads of queries or keys.
  ///
  /// Traps unless the columns are whole groups.
  public static func rms(
    headsOf matrix: inout Matrix, weight: [Float], epsilon: Float, workers: WorkerPool
  ) {
    precondition(
      !weight.isEmpty && matrix.columns % weight.count == 0,
      "Normalization.rms: heads of \(matrix.columns) columns, \(weight.count) weights")
    matrix.elements.withUnsafeMutableBufferPointer { elements in
      normalize(UnsafeBufferPointer(elements), weight, epsilon, into: elements, workers)
    }
  }

  /// `sum[first + r, :] +=` the norm of row r of `input`: what a block gives to the residual stream.
  ///
  /// Traps unless `input` fits into the rows of `sum` and `weight` has a number for each column.
  public static func addRMS(
    _ input: Matrix, weight: [Float], epsilon: Float, to sum: inout Matrix, firstRow first: Int,
    workers: WorkerPool
  ) {
    precondition(
      input.columns == sum.columns && weight.count == sum.columns && first >= 0
        && first + input.rows <= sum.rows,
      """
      Normalization.addRMS: \(input.rows) x \(input.columns) at row \(first) of \(sum.rows) x \
      \(sum.columns), \(weight.count) weights
      """)
    let elements = first * sum.columns..<(first + input.rows) * sum.columns
    input.elements.withUnsafeBufferPointer { source in
      sum.elements.withUnsafeMutableBufferPointer { sum in
        normalize(
          source, weight, epsilon, into: UnsafeMutableBufferPointer(rebasing: sum[elements]),
          workers, isAdding: true)
      }
    }
  }

  /// `source` and `target` may be the same memory.
  private static func normalize(
    _ source: UnsafeBufferPointer<Float>, _ weight: [Float], _ epsilon: Float,
    into target: UnsafeMutableBufferPointer<Float>, _ workers: WorkerPool, isAdding: Bool = false
  ) {
    guard !source.isEmpty else { return }
    let count = weight.count
    let groups = source.count / count
    weight.withUnsafeBufferPointer { weight in
      nonisolated(unsafe) let source = source.baseAddress!
      nonisolated(unsafe) let target = target.baseAddress!
      nonisolated(unsafe) let weight = weight.baseAddress!
      // A thread is not woken for less than some 16,000 numbers.
      workers.runRanges(
        total: groups, minimumChunk: max(1, 16_384 / count)
      ) { groups, _ in
        for group in groups {
          normalize(
            source + group * count, weight, epsilon, into: target + group * count, count: count,
            isAdding: isAdding)
        }
      }
    }
  }

  @inline(__always)
  private static func normalize(
    _ source: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float,
    into target: UnsafeMutablePointer<Float>, count: Int, isAdding: Bool
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
      let scaled = loadVector(source + i) * scale * loadVector(weight + i)
      storeVector(isAdding ? loadVector(target + i) + scaled : scaled, at: target + i)
      i &+= 16
    }
    while i < count {
      let scaled = source[i] * scale * weight[i]
      target[i] = isAdding ? target[i] + scaled : scaled
      i &+= 1
    }
  }
}
