import Tensors

/// Products of activations with quantised weights: output = input · Wᵀ, in float32 arithmetic.
///
/// One kernel, one owner: it keeps scratch memory between calls.
public final class MatrixKernel {
  public let workers: WorkerPool
  private var scratch: [[Float]]

  public init(workers: WorkerPool) {
    self.workers = workers
    scratch = [[Float]](repeating: [], count: workers.threadCount)
  }

  /// `output[t, r] = Σ_c input[t, c] · weights[r, c]`, added to what `output` holds if `adding`.
  ///
  /// - Parameters:
  ///   - input: (tokens x columns).
  ///   - output: (tokens x rows).
  ///
  /// Traps unless the shapes agree. The numbers do not depend on the number of threads; a token's may differ in
  /// their last digits with the number of tokens beside it.
  public func multiply(
    _ input: Matrix, _ weights: WeightMatrix, into output: inout Matrix, adding: Bool = false
  ) {
    multiply(input, weights, rows: 0..<weights.rows, into: &output, adding: adding)
  }

  /// The product with the rows `range` of the weights only, `output` (tokens x range.count): a tile of logits.
  public func multiply(
    _ input: Matrix, _ weights: WeightMatrix, rows range: Range<Int>, into output: inout Matrix
  ) {
    multiply(input, weights, rows: range, into: &output, adding: false)
  }

  private func multiply(
    _ input: Matrix, _ weights: WeightMatrix, rows range: Range<Int>, into output: inout Matrix,
    adding: Bool
  ) {
    precondition(
      input.columns == weights.columns && output.rows == input.rows
        && output.columns == range.count && range.lowerBound >= 0
        && range.upperBound <= weights.rows,
      "MatrixKernel.multiply: input \(input.rows) x \(input.columns), weights \(weights.rows) x \(weights.columns), rows \(range), output \(output.rows) x \(output.columns)"
    )
    guard !input.elements.isEmpty, !range.isEmpty else { return }
    let tileRows = 64
    let columns = input.columns
    for worker in scratch.indices where scratch[worker].count < tileRows * columns {
      scratch[worker] = [Float](repeating: 0, count: tileRows * columns)
    }
    let tiles = (range.count + tileRows - 1) / tileRows
    input.elements.withUnsafeBufferPointer { source in
      output.elements.withUnsafeMutableBufferPointer { target in
        scratch.withUnsafeMutableBufferPointer { scratch in
          weights.storage.bytes.withUnsafeBytes { bytes in
            nonisolated(unsafe) let source = source.baseAddress!
            nonisolated(unsafe) let target = target.baseAddress!
            nonisolated(unsafe) let scratch = scratch
            nonisolated(unsafe) let bytes = bytes.baseAddress! + weights.offset
            workers.run(count: tiles) { tile, worker in
              let begin = tile * tileRows
              let count = min(tileRows, range.count - begin)
              scratch[worker].withUnsafeMutableBufferPointer { rows in
                dequantize(
                  weights.format, bytes + (range.lowerBound + begin) * weights.bytesPerRow,
                  elements: count * columns, into: rows.baseAddress!)
                BLAS.sgemm(
                  transposeB: true, m: input.rows, n: count, k: columns, source, lda: columns,
                  rows.baseAddress!, ldb: columns, beta: adding ? 1 : 0, target + begin,
                  ldc: range.count)
              }
            }
          }
        }
      }
    }
  }
}
