import Tensors
import Threads

/// Products of activations with quantised weights: output = input · Wᵀ, in float32 arithmetic.
///
/// Weights stay in their format. For one or a few tokens each block is decoded into registers and
/// multiplied at once; for more, some rows are decoded into panels of floats that all tokens are
/// multiplied with. Every output is summed by one worker in one order: results do not depend on the
/// number of threads. A token's may differ in the last digits with the number of tokens in the
/// batch.
///
/// One kernel, one owner: it keeps scratch memory between calls.
public final class MatrixKernel {
  public let workers: WorkerPool
  /// The decoded panels of the current rows.
  let panels = FloatBuffer()
  /// One for each worker.
  let scratch: [FloatBuffer]

  public init(workers: WorkerPool) {
    self.workers = workers
    scratch = (0..<workers.threadCount).map { _ in FloatBuffer() }
  }

  /// `output[t, r] = Σ_c input[t, c] · weights[r, c]`, added to what `output` holds if `adding`.
  ///
  /// - Parameters:
  ///   - input: (tokens x columns).
  ///   - output: (firstRow + tokens or more x rows).
  ///   - firstRow: the row of `output` that belongs to row 0 of `input`.
  ///
  /// Traps unless the shapes agree.
  public func multiply(
    _ input: Matrix, _ weights: WeightMatrix, into output: inout Matrix, firstRow: Int = 0,
    adding: Bool = false
  ) {
    multiply(
      input, weights, rows: 0..<weights.rows, into: &output, firstRow: firstRow, adding: adding)
  }

  /// The product with the rows `range` of the weights only, `output` (tokens x range.count): a tile
  /// of logits.
  public func multiply(
    _ input: Matrix, _ weights: WeightMatrix, rows range: Range<Int>, into output: inout Matrix
  ) {
    multiply(input, weights, rows: range, into: &output, firstRow: 0, adding: false)
  }

  /// Up to this many tokens are multiplied block by block; with more, decoding into panels pays.
  static let fewTokens = 8

  /// Two products with one input; with a few tokens they are one piece of work for the threads, which
  /// then meet once instead of twice.
  ///
  /// - Parameters: as of ``multiply(_:_:into:firstRow:adding:)``.
  public func multiply(
    _ input: Matrix, _ first: WeightMatrix, _ second: WeightMatrix, into firstOutput: inout Matrix,
    _ secondOutput: inout Matrix, adding: Bool = false
  ) {
    guard input.rows <= Self.fewTokens else {
      multiply(input, first, into: &firstOutput, adding: adding)
      multiply(input, second, into: &secondOutput, adding: adding)
      return
    }
    withProduct(
      input, first, rows: 0..<first.rows, into: &firstOutput, firstRow: 0, adding: adding
    ) { one in
      withProduct(
        input, second, rows: 0..<second.rows, into: &secondOutput, firstRow: 0, adding: adding
      ) { other in multiplyFew(one, and: other) }
    }
  }

  private func multiply(
    _ input: Matrix, _ weights: WeightMatrix, rows range: Range<Int>, into output: inout Matrix,
    firstRow: Int, adding: Bool
  ) {
    withProduct(
      input, weights, rows: range, into: &output, firstRow: firstRow, adding: adding
    ) { product in
      if input.rows <= Self.fewTokens { multiplyFew(product) } else { multiplyMany(product) }
    }
  }

  /// Checks the shapes and calls `body` with the addresses, unless there is nothing to multiply.
  private func withProduct(
    _ input: Matrix, _ weights: WeightMatrix, rows range: Range<Int>, into output: inout Matrix,
    firstRow: Int, adding: Bool, _ body: (WeightProduct) -> Void
  ) {
    precondition(
      input.columns == weights.columns && firstRow >= 0
        && firstRow + input.rows <= output.rows && output.columns == range.count
        && range.lowerBound >= 0 && range.upperBound <= weights.rows,
      """
      MatrixKernel.multiply: input \(input.rows) x \(input.columns), weights \(weights.rows) x \
      \(weights.columns), rows \(range), output \(output.rows) x \(output.columns) from row \
      \(firstRow) on
      """)
    guard input.rows > 0, !range.isEmpty else { return }
    let first = firstRow * output.columns
    guard input.columns > 0 else {
      if !adding {
        for index in first..<first + input.rows * output.columns { output.elements[index] = 0 }
      }
      return
    }
    input.elements.withUnsafeBufferPointer { source in
      output.elements.withUnsafeMutableBufferPointer { target in
        weights.withRow(range.lowerBound) { bytes in
          // Not nil: neither is empty.
          body(
            WeightProduct(
              tokens: input.rows, depth: input.columns, rows: range.count, format: weights.format,
              weights: bytes, bytesPerRow: weights.bytesPerRow, input: source.baseAddress!,
              output: target.baseAddress! + first, adds: adding))
        }
      }
    }
  }
}

/// The sizes and addresses of one product; valid while it runs, the output written at disjoint
/// places.
struct WeightProduct: @unchecked Sendable {
  let tokens: Int
  /// Columns of the input and of the weights.
  let depth: Int
  /// Rows of the weights, columns of the output.
  let rows: Int
  let format: BlockFormat
  let weights: UnsafeRawPointer
  let bytesPerRow: Int
  let input: UnsafePointer<Float>
  let output: UnsafeMutablePointer<Float>
  let adds: Bool
}
