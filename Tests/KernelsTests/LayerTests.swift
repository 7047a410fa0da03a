import Foundation
import Kernels
import Tensors
import Testing
import Threads

@Suite("Layers between the matrix products")
struct LayerTests {
  static func pool(_ threads: Int = 2) throws -> WorkerPool {
    try WorkerPool(threadCount: threads)
  }

  // MARK: RMS norm

  @Test("RMS norm gives the golden row of the model")
  func goldenNorm() throws {
    let golden = try GoldenTensors("golden_model.safetensors")
    let input = golden.floats("rms.x")
    #expect(input.count == 576)
    var output = Matrix(rows: 1, columns: 576)
    Normalization.rms(
      Matrix(rows: 1, columns: 576, elements: input),
      weight: golden.floats("rms.weight_blk0_attn_norm"), epsilon: 9.99999974738e-06,
      into: &output, workers: try Self.pool())
    for (value, expected) in zip(output.elements, golden.floats("rms.out")) {
      #expect(abs(value - expected) <= 1e-6 * max(1, abs(expected)))
    }
  }

  @Test(
    "RMS norm is exact for every width and any size of numbers", arguments: [1, 15, 16, 17, 576])
  func norm(columns: Int) throws {
    var numbers = TestNumbers(seed: columns)
    for scale in [Float(1e-6), 1, 1e6] {
      let input = numbers.matrix(70, columns, scale: scale)
      let weight = numbers.floats(columns)
      var output = numbers.matrix(70, columns)
      Normalization.rms(
        input, weight: weight, epsilon: 1e-5, into: &output, workers: try Self.pool())
      for row in 0..<70 {
        var squares = 0.0
        for column in 0..<columns { squares += pow(Double(input[row, column]), 2) }
        let root = (squares / Double(columns) + Double(Float(1e-5))).squareRoot()
        for column in 0..<columns {
          let expected = Double(input[row, column]) / root * Double(weight[column])
          // Three roundings and the sum of squares: 8 ULP are plenty.
          #expect(abs(Double(output[row, column]) - expected) <= 5e-7 * abs(expected))
        }
      }
    }
  }

  @Test(
    "Heads are normalised one by one, in place", arguments: [(1, 10), (3, 16), (4, 64), (2, 256)])
  func headNorm(heads: Int, dimension: Int) throws {
    var numbers = TestNumbers(seed: heads)
    var matrix = numbers.matrix(37, heads * dimension)
    let weight = numbers.floats(dimension)
    var expected = Matrix(rows: 37 * heads, columns: dimension)
    Normalization.rms(
      Matrix(rows: 37 * heads, columns: dimension, elements: matrix.elements), weight: weight,
      epsilon: 1e-6, into: &expected, workers: try Self.pool())
    Normalization.rms(
      headsOf: &matrix, weight: weight, epsilon: 1e-6, workers: try Self.pool())
    #expect(matrix.elements == expected.elements)
  }

  @Test("A norm is added to some rows and leaves the others", arguments: [1, 17, 640])
  func addedNorm(columns: Int) throws {
    var numbers = TestNumbers(seed: columns)
    let input = numbers.matrix(40, columns)
    let before = numbers.matrix(50, columns)
    let weight = numbers.floats(columns)
    var norm = Matrix(rows: 40, columns: columns)
    Normalization.rms(
      input, weight: weight, epsilon: 1e-6, into: &norm, workers: try Self.pool())
    var sum = before
    Normalization.addRMS(
      input, weight: weight, epsilon: 1e-6, to: &sum, firstRow: 7, workers: try Self.pool())
    for row in 0..<50 {
      for column in 0..<columns {
        let added = (7..<47).contains(row) ? norm[row - 7, column] : 0
        // The sum may be rounded once instead of twice.
        #expect(
          abs(sum[row, column] - (before[row, column] + added)) <= 1e-6 * (1 + abs(added)))
      }
    }
  }

  // MARK: Rotary embedding

  @Test("Both layouts of the rotary embedding give the golden rows")
  func goldenRotation() throws {
    let golden = try GoldenTensors("golden_model.safetensors")
    let positions = golden.integers("rope.pos")
    #expect(positions.count == 5)
    for (layout, name) in [
      (RotaryEmbedding.Layout.interleaved, "rope.interleaved"), (.halfSplit, "rope.half_split"),
    ] {
      let table = RotaryTable(
        RotaryEmbedding(base: 1e5, dimensions: 64, layout: layout), headDimension: 64)
      let expected = golden.floats(name)
      for (index, position) in positions.enumerated() {
        var row = Matrix(rows: 1, columns: 64, elements: golden.floats("rope.x"))
        table.rotate(
          &row, firstPosition: Int(position), workers: try Self.pool())
        for i in 0..<64 {
          // The golden angles are Float products: at position p they are off by up to p · 2^−24.
          let tolerance = 1e-6 + Float(position) * 0x1p-23
          #expect(
            abs(row[0, i] - expected[index * 64 + i]) <= tolerance,
            "\(name), position \(position), dimension \(i)")
        }
      }
    }
  }

  @Test(
    "Every pair of every head turns by position times frequency, far positions too",
    arguments: RotaryLayoutCase.all)
  func rotation(_ layout: RotaryLayoutCase) throws {
    var numbers = TestNumbers(seed: 3)
    for (headDimension, pairs) in [(64, 32), (80, 40), (16, 8), (6, 3), (128, 16)] {
      let embedding = RotaryEmbedding(
        frequencies: RotaryEmbedding(base: 1e4, dimensions: 2 * pairs, layout: layout.layout)
          .frequencies, layout: layout.layout)
      let table = RotaryTable(embedding, headDimension: headDimension)
      for first in [0, 61, 16_380, 1_000_000] {
        let input = numbers.matrix(70, 3 * headDimension)
        var output = input
        table.rotate(
          &output, firstPosition: first, workers: try Self.pool())
        for row in [0, 1, 3, 4, 69] {
          for head in 0..<3 {
            let offset = head * headDimension
            for pair in 0..<pairs {
              let (a, b) = layout.dimensions(ofPair: pair, of: pairs)
              let angle = Double(first + row) * embedding.frequencies[pair]
              let (x, y) = (Double(input[row, offset + a]), Double(input[row, offset + b]))
              // Rounded cosines and sines, two products and a sum of numbers up to 1.
              #expect(
                abs(Double(output[row, offset + a]) - (x * cos(angle) - y * sin(angle))) < 2.5e-7)
              #expect(
                abs(Double(output[row, offset + b]) - (x * sin(angle) + y * cos(angle))) < 2.5e-7)
            }
            for rest in 2 * pairs..<headDimension {
              #expect(output[row, offset + rest] == input[row, offset + rest])
            }
          }
        }
      }
    }
  }

  struct RotaryLayoutCase: Sendable, CustomTestStringConvertible {
    var layout: RotaryEmbedding.Layout
    static let all = [RotaryLayoutCase(layout: .interleaved), RotaryLayoutCase(layout: .halfSplit)]
    var testDescription: String { layout.rawValue }

    func dimensions(ofPair pair: Int, of pairs: Int) -> (Int, Int) {
      switch layout {
      case .interleaved: (2 * pair, 2 * pair + 1)
      case .halfSplit: (pair, pair + pairs)
      }
    }
  }

  // MARK: SiLU

  @Test(
    "SiLU times up is exact, also at the ends of the range", arguments: [1, 15, 16, 17, 20_000])
  func silu(count: Int) throws {
    var numbers = TestNumbers(seed: count)
    var gate = numbers.matrix(1, count, scale: 100)
    if count > 16 {
      for (index, value) in [0, -0.0, 1e30, -1e30, -88, -104, 1e-30, 87].enumerated() {
        gate.elements[index] = Float(value)
      }
    }
    let up = numbers.matrix(1, count, scale: 3)
    let input = gate
    Activation.silu.multiply(gate: &gate, up: up, workers: try Self.pool())
    for index in 0..<count {
      let x = Double(input.elements[index])
      let expected = x / (1 + exp(-x)) * Double(up.elements[index])
      // Below −87 the exponential is infinite or flushed: the result is 0 or below 1e−35 in size.
      #expect(abs(Double(gate.elements[index]) - expected) <= 5e-7 * abs(expected) + 1e-34)
    }
  }

  // MARK: GELU

  @Test(
    "GELU times up is exact, also at the ends of the range", arguments: [1, 15, 16, 17, 20_000])
  func gelu(count: Int) throws {
    var numbers = TestNumbers(seed: count)
    var gate = numbers.matrix(1, count, scale: 4)
    if count > 16 {
      for (index, value) in [0, -0.0, 1e30, -1e30, -6, -104, 1e-30, 6].enumerated() {
        gate.elements[index] = Float(value)
      }
    }
    let up = numbers.matrix(1, count, scale: 3)
    let input = gate
    Activation.gelu.multiply(gate: &gate, up: up, workers: try Self.pool())
    for index in 0..<count {
      let x = Double(input.elements[index])
      let u = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
      let expected = x / 2 * (1 + tanh(u)) * Double(up.elements[index])
      // The exponent is rounded: at x = −4, where it is 11, that is some 1e-6 of a tiny result.
      let tolerance = 1e-6 * abs(expected) + 1e-7 * abs(Double(up.elements[index]))
      #expect(abs(Double(gate.elements[index]) - expected) <= tolerance, "x = \(x)")
    }
  }

  // MARK: Softmax over logits

  static func logSumExp(_ logits: [Float]) -> Double { Softmax.logSumExp(logits.span) }

  @Test("The log-sum-exp is within 1e-6 of the Double value", arguments: [1, 2, 16, 1023, 49_152])
  func logSumExp(count: Int) {
    var numbers = TestNumbers(seed: count)
    for (scale, shift) in [(Float(1), Float(0)), (20, 0), (1, 500), (30, -1e4)] {
      let logits = numbers.floats(count, scale: scale).map { $0 + shift }
      let maximum = Double(logits.max() ?? 0)
      let expected = maximum + log(logits.reduce(0) { $0 + exp(Double($1) - maximum) })
      #expect(abs(Self.logSumExp(logits) - expected) < 1e-6)
    }
  }

  @Test("The log-sum-exp of nothing is −infinity, of NaN NaN, of +infinity +infinity")
  func logSumExpEdges() {
    #expect(Self.logSumExp([]) == -.infinity)
    #expect(Self.logSumExp([-.infinity, -.infinity]) == -.infinity)
    #expect(Self.logSumExp([1, .infinity]) == .infinity)
    #expect(Self.logSumExp([-.infinity, 3]) == 3)
    for position in [0, 16, 20] {
      var logits = [Float](repeating: 0, count: 21)
      logits[position] = .nan
      #expect(Self.logSumExp(logits).isNaN)
    }
  }

  @Test("The largest logits come in order, equal ones by lower index", arguments: 0..<20)
  func topLogits(seed: Int) {
    var numbers = TestNumbers(seed: seed)
    let count = [0, 1, 5, 100, 1000][seed % 5]
    // Few different values, so that ties are everywhere.
    let logits = (0..<count).map { _ in Float(numbers.integer(-5..<5)) }
    for wanted in [0, 1, 2, 10, 100, 2000] {
      let expected = logits.indices.sorted {
        logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1
      }.prefix(wanted)
      #expect(Softmax.top(wanted, of: logits.span) == Array(expected))
    }
    #expect(Softmax.argmax(logits.span) == logits.firstIndex { $0 == logits.max() })
  }

  @Test("NaN is never the largest logit while there is a number")
  func topWithNaN() {
    #expect(Softmax.top(3, of: [Float.nan, 1, .nan, 2, -.infinity].span) == [3, 1, 0])
    #expect(Softmax.argmax([Float.nan, -3].span) == 1)
  }

  @Test("No layer's numbers depend on the number of threads")
  func threads() throws {
    var numbers = TestNumbers(seed: 9)
    let input = numbers.matrix(300, 192)
    let other = numbers.matrix(300, 192)
    let weight = numbers.floats(192)
    let table = RotaryTable(
      RotaryEmbedding(base: 1e4, dimensions: 64, layout: .interleaved), headDimension: 64)
    let results = try [1, 2, 8].map { threads -> [Matrix] in
      let pool = try Self.pool(threads)
      var norm = input
      Normalization.rms(input, weight: weight, epsilon: 1e-5, into: &norm, workers: pool)
      var rotated = input
      table.rotate(&rotated, firstPosition: 5, workers: pool)
      var gate = input
      Activation.silu.multiply(gate: &gate, up: other, workers: pool)
      var gelu = input
      Activation.gelu.multiply(gate: &gelu, up: other, workers: pool)
      var heads = input
      Normalization.rms(
        headsOf: &heads, weight: Array(weight[..<64]), epsilon: 1e-5, workers: pool)
      var sum = other
      Normalization.addRMS(
        input, weight: weight, epsilon: 1e-5, to: &sum, firstRow: 0, workers: pool)
      return [norm, rotated, gate, gelu, heads, sum]
    }
    for result in results { #expect(result == results[0]) }
  }
}
