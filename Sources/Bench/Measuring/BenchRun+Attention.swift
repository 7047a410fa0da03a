import Experiments
import Kernels
import Records
import Tensors
import Threads

extension BenchRun {
  /// The attention kernel alone, in turn with sgemm and PyTorch.
  func attentionRow() -> BenchRow {
    let tokens = 8192
    let shape = model.model.shape
    let layer = RandomLayer(tokens: tokens, shape: shape)
    let kernel = AttentionKernel(workers: workers)
    let operations =
      4 * Double(shape.queryColumns) * Double(tokens) * Double(tokens + 1) / 2
    var peer = peers.pyTorch(.attention, tokens: tokens, name: "PyTorch SDPA", target: nil) {
      operations / $0 * 1e-9
    }
    tell("attention of 8,192 tokens")
    layer.attend(kernel)
    var samples: [Double] = []
    var reference: [Double] = []
    for round in 0..<max(repeats, 3) {
      var gauge = SgemmGauge(threads: workers.threadCount)
      gauge.measure(times: 3, isEnd: false)
      reference += gauge.samples
      for _ in 0..<2 {
        var watch = Stopwatch()
        layer.attend(kernel)
        samples.append(operations / watch.lap().seconds * 1e-9)
      }
      if round < repeats { peer.measure() }
    }
    return BenchRow(
      .attentionDense8192, samples: samples,
      references: [
        BenchReference("sgemm", samples: reference, target: 0.8), peer.reference,
      ])
  }
}

/// One layer's queries and caches, filled with random numbers.
private final class RandomLayer {
  private let shape: AttentionShape
  private let heads: [KVHead]
  private let queries: Matrix
  private var output: Matrix
  private var logSumExp: [Float]

  init(tokens: Int, shape: AttentionShape) {
    self.shape = shape
    var generator = SeededGenerator(seed: 1)
    func matrix(columns: Int) -> Matrix {
      Matrix(
        rows: tokens, columns: columns,
        elements: (0..<tokens * columns).map { _ in Float.random(in: -1...1, using: &generator) })
    }
    let keys = matrix(columns: shape.kvHeads * shape.headDimension)
    let values = matrix(columns: shape.kvHeads * shape.headDimension)
    heads = (0..<shape.kvHeads).map { index in
      let head = KVHead(headDimension: shape.headDimension, scale: shape.geometry[0].scale)
      head.append(
        keys: keys, values: values, column: index * shape.headDimension, firstPosition: 0)
      return head
    }
    queries = matrix(columns: shape.queryHeads * shape.headDimension)
    output = Matrix(rows: tokens, columns: queries.columns)
    logSumExp = [Float](repeating: 0, count: shape.queryHeads * tokens)
  }

  func attend(_ kernel: AttentionKernel) {
    _ = kernel.attend(
      queries: queries, rows: 0..<queries.rows, firstPosition: 0, shape: shape, heads: heads,
      selections: Array(repeating: .everything, count: shape.queryHeads), output: &output,
      logSumExp: &logSumExp)
  }
}
