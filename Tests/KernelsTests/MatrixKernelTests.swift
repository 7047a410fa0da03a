import Kernels
import Tensors
import Testing
import Threads

@Suite("Products with quantised weights")
struct MatrixKernelTests {
  /// Checks every element against the product in Double.
  ///
  /// A sum of n products in Float, in any order, is off by about √n roundings of 2^−24 of Σ |x w|; four times that is
  /// allowed. A single wrong or missing product is far outside.
  static func expectProduct(
    _ output: Matrix, _ input: Matrix, _ weights: Matrix, plus start: Matrix? = nil,
    _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let depth = input.columns
    let unit = 4 * Double(depth + 1).squareRoot() * 0x1p-24
    var worst = 0.0
    for token in 0..<input.rows {
      for row in 0..<weights.rows {
        var sum = Double(start?[token, row] ?? 0)
        var size = abs(sum)
        for k in 0..<depth {
          let term = Double(input[token, k]) * Double(weights[row, k])
          sum += term
          size += abs(term)
        }
        worst = max(worst, abs(Double(output[token, row]) - sum) / (unit * size + 1e-30))
      }
    }
    #expect(worst < 1, "\(comment): \(worst) times the tolerance", sourceLocation: sourceLocation)
  }

  @Test("Every format gives the product of its dequantised rows", arguments: BlockFormat.allCases)
  func formats(format: BlockFormat) throws {
    var numbers = TestNumbers(seed: 1)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    // 1,792 columns are three depth blocks and pieces of every kind; 77 rows end in the middle of a panel.
    for columns in [256, 1792] {
      let weights = numbers.weights(77, columns, format, offset: format == .f32 ? 4 : 6)
      let floats = weights.dequantizedRows(0..<77)
      for tokens in [1, 2, 3, 4, 5, 8, 9, 33] {
        let input = numbers.matrix(tokens, columns)
        var output = Matrix(
          rows: tokens, columns: 77,
          elements: [Float](repeating: .nan, count: tokens * 77))
        kernel.multiply(input, weights, into: &output)
        Self.expectProduct(output, input, floats, "\(tokens) tokens, \(columns) columns")
      }
    }
  }

  @Test(
    "Ragged sizes are right: tokens, rows and columns around every tile size",
    arguments: [1, 2, 7, 8, 9, 10, 11, 12, 13, 23, 95, 96, 97, 193])
  func raggedSizes(tokens: Int) throws {
    var numbers = TestNumbers(seed: 2)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    for rows in [1, 2, 31, 32, 33, 127, 128, 129, 161] {
      for (columns, format) in [
        (1, BlockFormat.f32), (15, .f32), (17, .f16), (33, .bf16), (64, .f32), (96, .q4_1),
        (100, .f32), (288, .q8_0),
      ] {
        let weights = numbers.weights(rows, columns, format)
        let input = numbers.matrix(tokens, columns)
        var output = Matrix(rows: tokens, columns: rows)
        kernel.multiply(input, weights, into: &output)
        Self.expectProduct(
          output, input, weights.dequantizedRows(0..<rows), "\(rows) x \(columns) \(format)")
      }
    }
  }

  @Test("Adding starts from what the output holds", arguments: [1, 5, 40])
  func adding(tokens: Int) throws {
    var numbers = TestNumbers(seed: 3)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    for columns in [64, 1600] {
      let weights = numbers.weights(45, columns, .q4_0)
      let input = numbers.matrix(tokens, columns)
      let start = numbers.matrix(tokens, 45, scale: 100)
      var output = start
      kernel.multiply(input, weights, into: &output, adding: true)
      Self.expectProduct(
        output, input, weights.dequantizedRows(0..<45), plus: start, "\(columns) columns")
    }
  }

  @Test("A range of rows gives those columns of the whole product", arguments: [1, 6, 30])
  func rowRanges(tokens: Int) throws {
    var numbers = TestNumbers(seed: 4)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    let weights = numbers.weights(150, 128, .q5_1)
    let input = numbers.matrix(tokens, 128)
    for range in [0..<1, 0..<150, 31..<64, 149..<150, 7..<140] {
      var output = Matrix(rows: tokens, columns: range.count)
      kernel.multiply(input, weights, rows: range, into: &output)
      Self.expectProduct(output, input, weights.dequantizedRows(range), "rows \(range)")
    }
    var nothing = Matrix(rows: tokens, columns: 0)
    kernel.multiply(input, weights, rows: 5..<5, into: &nothing)
    #expect(nothing.elements.isEmpty)
  }

  @Test("More rows than one round of panels are all there")
  func severalRounds() throws {
    var numbers = TestNumbers(seed: 5)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    // A round holds 2^20 floats: 512 rows of 2,048 columns.
    let weights = numbers.weights(1100, 2048, .f16)
    let input = numbers.matrix(9, 2048)
    var output = Matrix(rows: 9, columns: 1100)
    kernel.multiply(input, weights, into: &output)
    Self.expectProduct(output, input, weights.dequantizedRows(0..<1100), "1100 rows")
  }

  @Test("The number of threads does not change a bit", arguments: [1, 4, 8, 100])
  func threads(tokens: Int) throws {
    var numbers = TestNumbers(seed: 6)
    let weights = numbers.weights(333, 320, .q4_1)
    let input = numbers.matrix(tokens, 320)
    let results = try [1, 2, 3, 8].map { threads in
      var output = Matrix(rows: tokens, columns: 333)
      MatrixKernel(workers: try WorkerPool(threadCount: threads))
        .multiply(input, weights, into: &output)
      return output
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test("One kernel serves products of changing sizes, in any order")
  func reuse() throws {
    var numbers = TestNumbers(seed: 7)
    let kernel = MatrixKernel(workers: try WorkerPool(threadCount: 2))
    for _ in 0..<40 {
      let (tokens, rows) = (numbers.integer(1..<60), numbers.integer(1..<100))
      let columns = numbers.integer(1..<20) * 32
      let weights = numbers.weights(rows, columns, .q8_0)
      let input = numbers.matrix(tokens, columns)
      var output = Matrix(rows: tokens, columns: rows)
      kernel.multiply(input, weights, into: &output)
      Self.expectProduct(
        output, input, weights.dequantizedRows(0..<rows), "\(tokens) x \(rows) x \(columns)")
    }
  }
}
