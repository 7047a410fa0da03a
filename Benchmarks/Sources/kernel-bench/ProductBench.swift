import Kernels
import Tensors
import Threads

/// Matrix products of a model of SmolLM2-135M's shapes.
struct ProductBench {
  let workers: WorkerPool
  /// GFLOP/s of the reference.
  let reference: Double

  /// Output rows and columns of the matrices of one layer.
  static let shapes = [
    ("query, output", 576, 576), ("key, value", 192, 576), ("gate, up", 1536, 576),
    ("down", 576, 1536),
  ]

  func many() {
    print("\nProducts of many tokens: GFLOP/s, share of the sgemm rate")
    for (name, rows, columns) in Self.shapes {
      for tokens in [512, 2048] {
        var line = "  \(name) \(rows) x \(columns), \(tokens) tokens".padded(44)
        for format in [BlockFormat.f32, .q4_1] {
          let timing = time(rows, columns, tokens, format)
          let rate = 2 * Double(rows * columns * tokens) / timing.typical * 1e-9
          line += " \(format)".padded(6) + rate.text() + (rate / reference).text(2, width: 6)
        }
        print(line)
      }
    }
  }

  func few() {
    print(
      "\nProducts of few tokens: GB/s of stored weights, milliseconds a token for 134 M weights")
    for format in BlockFormat.allCases {
      var line = "  \(format)".padded(8)
      // The 49,152 x 576 output matrix: too large for the caches.
      let (rows, columns) = (49_152, format.elementsPerBlock == 256 ? 768 : 576)
      for tokens in [1, 2, 4, 8] {
        let timing = time(rows, columns, tokens, format)
        let bytes = Double(format.byteCount(rows: rows, columns: columns) ?? 0)
        let perToken = timing.typical / Double(rows * columns * tokens) * 134e6
        line +=
          " \(tokens):" + (bytes / timing.typical * 1e-9).text()
          + (perToken * 1e3).text(2, width: 7)
      }
      print(line)
    }
    print("\nShort products of one token: microseconds each, milliseconds for all of 30 layers")
    for format in [BlockFormat.q4_1, .q8_0] {
      var total = 0.0
      var line = "  \(format)".padded(8)
      for (name, rows, columns) in Self.shapes {
        let timing = time(rows, columns, 1, format)
        total += timing.typical * 30 * (name.contains(",") ? 2 : 1)
        line += " \(rows) x \(columns)" + (timing.typical * 1e6).text()
      }
      print(line + "  all" + (total * 1e3).text(2))
    }
  }

  private func time(_ rows: Int, _ columns: Int, _ tokens: Int, _ format: BlockFormat) -> Timing {
    let weights = WeightMatrix(
      rows: rows, columns: columns, format: format,
      storage: ArrayStorage(
        [UInt8](repeating: 0x11, count: format.byteCount(rows: rows, columns: columns) ?? 0)))
    let input = Matrix(
      rows: tokens, columns: columns,
      elements: (0..<tokens * columns).map { Float($0 % 17) / 17 - 0.5 })
    var output = Matrix(rows: tokens, columns: rows)
    let kernel = MatrixKernel(workers: workers)
    return Timing { kernel.multiply(input, weights, into: &output) }
  }
}
