import Attention
import Kernels
import Planning
import Records
import Tensors

extension MachineRates {
  /// What each of the three is measured for, at least; the best of the rounds counts, since whatever else the machine
  /// does only slows it down.
  private static let timeEach = Duration.seconds(0.3)

  /// Measures this machine in one or two seconds, with the workspace's threads and the program's own kernels.
  public static func measured(_ workspace: Workspace) -> MachineRates {
    MachineRates(
      products: products(workspace), attention: attention(workspace), weights: weights(workspace))
  }

  /// 512 tokens and eight-bit weights of 1,536 x 576.
  private static func products(_ workspace: Workspace) -> Double {
    let (tokens, rows, columns) = (512, 1536, 576)
    let weights = zeros(rows: rows, columns: columns)
    let input = Matrix(rows: tokens, columns: columns)
    var output = Matrix(rows: tokens, columns: rows)
    let kernel = MatrixKernel(workers: workspace.workers)
    return 2 * Double(tokens * rows * columns)
      / fastest { kernel.multiply(input, weights, into: &output) }
  }

  /// The causal attention of one layer, 2,048 tokens and four heads of 64.
  private static func attention(_ workspace: Workspace) -> Double {
    let tokens = 2048
    let shape = AttentionShape(layers: 1, queryHeads: 4, kvHeads: 2, headDimension: 64)
    var generator = SeededGenerator(seed: 1, purpose: "machine rates")
    let input = (0..<3).map { index in
      let columns = shape.headDimension * (index == 0 ? shape.queryHeads : shape.kvHeads)
      return Matrix(
        rows: tokens, columns: columns,
        elements: (0..<tokens * columns).map { _ in Float.random(in: -1...1, using: &generator) })
    }
    let operations = 2 * Double(shape.queryHeads * shape.headDimension) * Double(tokens * tokens)
    return operations
      / fastest {
        let session = AttentionSession(
          FullAttention(), shape: shape, workspace: workspace, cache: .f16)
        session.cache(
          layer: 0, phase: .prefill, keys: input[1], values: input[2], firstPosition: 0)
        session.attend(layer: 0, phase: .prefill, queries: input[0], firstPosition: 0) { _, _ in }
      }
  }

  /// One token and eight-bit weights that no cache holds.
  private static func weights(_ workspace: Workspace) -> Double {
    let weights = zeros(rows: 1 << 16, columns: 1024)
    let input = Matrix(rows: 1, columns: weights.columns)
    var output = Matrix(rows: 1, columns: weights.rows)
    let kernel = MatrixKernel(workers: workspace.workers)
    return Double(weights.byteCount) / fastest { kernel.multiply(input, weights, into: &output) }
  }

  private static func zeros(rows: Int, columns: Int) -> WeightMatrix {
    let format = BlockFormat.q8_0
    return WeightMatrix(
      rows: rows, columns: columns, format: format,
      storage: ArrayStorage(
        [UInt8](repeating: 0, count: format.byteCount(rows: rows, columns: columns) ?? 0)))
  }

  /// Seconds of the fastest of several rounds, the first left out.
  private static func fastest(_ body: () -> Void) -> Double {
    body()
    let end = ContinuousClock.now + timeEach
    var best = Double.infinity
    repeat {
      var watch = Stopwatch()
      body()
      best = min(best, watch.lap().seconds)
    } while ContinuousClock.now < end
    return best
  }
}
