import Kernels
import Tensors
import Threads

/// The attention kernel at SmolLM2-135M's head geometry: 9 query heads, 3 KV heads, head dimension 64.
struct AttentionBench {
  let workers: WorkerPool
  /// GFLOP/s of the reference.
  let reference: Double
  let shape = AttentionShape(layers: 1, queryHeads: 9, kvHeads: 3, headDimension: 64)

  func prefill(lengths: [Int]) {
    print("\nAttention of a prompt, one layer: milliseconds, GFLOP/s, share of the sgemm rate")
    for length in lengths {
      let layer = Layer(shape: shape, cached: 0, queries: length)
      let kernel = AttentionKernel(workers: workers)
      let dense = layer.time(kernel, [Selection](repeating: .everything, count: 9))
      let pairs = Double(length) * Double(length + 1) / 2 * 9
      let rate = 4 * pairs * 64 / dense.timing.typical * 1e-9
      print(
        "  n \(length) everything:".padded(36) + (dense.timing.typical * 1e3).text()
          + rate.text() + (rate / reference).text(2) + "  computed/nominal "
          + (Double(dense.counts.computed) / pairs).text(3, width: 6))
      for (name, density) in [("window only", 0), ("tokens 0.1", 0.1), ("tokens 0.3", 0.3)] {
        let sparse = layer.time(
          kernel, (0..<9).map { layer.scattered(density: density, seed: $0, length: length) })
        let nominal = Double(sparse.counts.nominal) / pairs
        let time = sparse.timing.typical / dense.timing.typical
        print(
          "  n \(length) 256+128 window, \(name):".padded(36)
            + (sparse.timing.typical * 1e3).text()
            + "  density" + nominal.text(3, width: 6) + "  time ratio" + time.text(3, width: 6)
            + "  excess" + (time - nominal).text(3, width: 7) + "  computed/nominal "
            + (Double(sparse.counts.computed) / Double(sparse.counts.nominal)).text(3, width: 6))
      }
    }
  }

  func decode(depths: [Int]) {
    print("\nAttention of one query, 30 layers of caches in turn: milliseconds for all, GB/s")
    for depth in depths {
      let layers = (0..<30).map { _ in Layer(shape: shape, cached: depth, queries: 1) }
      let kernel = AttentionKernel(workers: workers)
      let dense = [Selection](repeating: .everything, count: 9)
      let bytes = Double(30 * 3 * depth * 2 * 64 * 4)
      let all = Timing { for layer in layers { layer.attend(kernel, dense) } }
      print(
        "  depth \(depth) everything:".padded(36) + (all.typical * 1e3).text(2)
          + (bytes / all.typical * 1e-9).text())
      let scattered = (0..<9).map { layers[0].scattered(density: 0.3, seed: $0, length: depth) }
      let masked = Timing { for layer in layers { layer.attend(kernel, scattered) } }
      print(
        "  depth \(depth) tokens 0.3, masked:".padded(36) + (masked.typical * 1e3).text(2)
          + (bytes / masked.typical * 1e-9).text())
      // As after an eviction: what some head of the group keeps is held, each head masks to its own.
      let own = (0..<9).map { layers[0].scattered(density: 0.1, seed: $0, length: depth) }
      let share = layers.reduce(0) { $0 + $1.retain(own) } / Double(layers.count)
      let held = Timing { for layer in layers { layer.attend(kernel, own) } }
      print(
        "  depth \(depth) tokens 0.1, evicted:".padded(36) + (held.typical * 1e3).text(2)
          + (bytes * share / held.typical * 1e-9).text() + "  held" + share.text(3, width: 6)
          + "  time ratio" + (held.typical / all.typical).text(3, width: 6))
    }
  }
}

/// One layer's queries and caches.
private final class Layer {
  let shape: AttentionShape
  let heads: [KVHead]
  let queries: Matrix
  let firstPosition: Int
  var output: Matrix
  var logSumExp: [Float]
  private var state: UInt64 = 1

  init(shape: AttentionShape, cached: Int, queries count: Int) {
    self.shape = shape
    firstPosition = cached
    let total = cached + count
    let width = shape.kvHeads * shape.headDimension
    func matrix(_ rows: Int, _ columns: Int) -> Matrix {
      Matrix(
        rows: rows, columns: columns,
        elements: (0..<rows * columns).map { Float(($0 &* 7919) % 1009) / 504 - 1 })
    }
    let keys = matrix(total, width)
    heads = (0..<shape.kvHeads).map { index in
      let head = KVHead(headDimension: shape.headDimension)
      head.append(
        keys: keys, values: keys, column: index * shape.headDimension, firstPosition: 0)
      return head
    }
    queries = matrix(count, shape.queryHeads * shape.headDimension)
    output = Matrix(rows: count, columns: queries.columns)
    logSumExp = [Float](repeating: 0, count: shape.queryHeads * count)
  }

  @discardableResult
  func attend(_ kernel: AttentionKernel, _ selections: [Selection]) -> PairCounts {
    kernel.attend(
      queries: queries, rows: 0..<queries.rows, firstPosition: firstPosition, shape: shape,
      heads: heads, selections: selections, output: &output, logSumExp: &logSumExp
    ).reduce(PairCounts(), +)
  }

  /// Drops what no query head of a group selects; gives the share of tokens that stay.
  func retain(_ selections: [Selection]) -> Double {
    let group = shape.queryHeadsPerKVHead
    let before = heads.reduce(0) { $0 + $1.count }
    for (index, head) in heads.enumerated() {
      var union = selections[index * group]
      for selection in selections[index * group..<(index + 1) * group] {
        for run in selection.runs { union.keep(run) }
      }
      head.retain(union, newestQuery: firstPosition, keepsSlack: false)
    }
    return Double(heads.reduce(0) { $0 + $1.count }) / Double(before)
  }

  func time(
    _ kernel: AttentionKernel, _ selections: [Selection]
  ) -> (timing: Timing, counts: PairCounts) {
    var counts = PairCounts()
    let timing = Timing { counts = attend(kernel, selections) }
    return (timing, counts)
  }

  /// Single tokens at random, and a window as TCA has it.
  func scattered(density: Double, seed: Int, length: Int) -> Selection {
    var selection = Selection(window: LocalWindow(width: 256, alignment: 128))
    state = UInt64(seed + 1)
    for position in 0..<length {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      if Double(state >> 40) < density * Double(1 << 24) { selection.keep(position) }
    }
    return selection
  }
}
