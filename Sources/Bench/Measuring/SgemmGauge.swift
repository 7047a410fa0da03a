import Experiments
import Kernels
import Threads

/// OpenBLAS's rate on 2,048 x 2,048 x 2,048 with threads of its own: what the machine's arithmetic is measured by.
struct SgemmGauge {
  let threads: Int
  /// GFLOP/s, in the order of measuring.
  private(set) var samples: [Double] = []
  private var before: [Double] = []
  private var after: [Double] = []

  init(threads: Int) { self.threads = threads }

  /// Takes samples; the first of a call is not counted.
  mutating func measure(times: Int, isEnd: Bool) {
    var product = ReferenceProduct(size: 2048)
    let rates = (0...times).map { _ in
      var watch = Stopwatch()
      product.multiply(threads: threads)
      return 2 * 2048 * 2048 * 2048 / watch.lap().seconds * 1e-9
    }.dropFirst()
    samples += rates
    if isEnd { after += rates } else if before.isEmpty { before += rates }
  }

  /// The median of all samples so far, in GFLOP/s.
  var rate: Double { samples.median ?? .nan }

  var row: BenchRow {
    BenchRow(
      .sgemm, samples: samples,
      details: ["before": before.median ?? .nan, "after": after.median ?? .nan])
  }
}

/// What the machine's arithmetic can reach: multiply-adds that never leave the registers.
struct MultiplyAddGauge {
  /// GFLOP/s.
  private(set) var samples: [Double] = []

  mutating func measure(_ workers: WorkerPool) {
    let rounds = 10_000_000
    samples = (0..<6).map { _ in
      var watch = Stopwatch()
      let sum = ReferencePeak.run(rounds: rounds, workers: workers)
      precondition(sum.isFinite, "MultiplyAddGauge: \(sum)")
      return ReferencePeak.operations(rounds: rounds) * Double(workers.threadCount)
        / watch.lap().seconds * 1e-9
    }.dropFirst().map { $0 }
  }

  var rate: Double { samples.median ?? .nan }
}
