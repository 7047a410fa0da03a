import Foundation
import Kernels
import Threads

/// Measures the kernels against the machine's own limits. Ratios within one run are what counts.
///
///     swift run -c release --package-path Benchmarks kernel-bench [threads] [option …] [part …]
///
/// Parts: products, few, prefill, decode; all of them if none is named. Times are medians. Options for a machine that
/// others use too: `fastest` takes the fastest run, `cpu-time` counts the processor's time (one thread only).
struct KernelBench {
  let threads: Int
  let parts: Set<String>

  init(_ arguments: some Collection<String>) {
    threads =
      arguments.lazy.compactMap { Int($0) }.first ?? ProcessInfo.processInfo.activeProcessorCount
    let words = Set(arguments.filter { Int($0) == nil })
    parts = words.subtracting(["cpu-time", "fastest"])
    Timing.countsProcessorTime = words.contains("cpu-time")
    Timing.takesFastest = words.contains("fastest")
  }

  func run() throws {
    let workers = try WorkerPool(threadCount: threads)
    print("OpenBLAS: \(BLAS.configuration), kernels for \(BLAS.coreName); \(threads) threads")
    let rate = sgemmRate()
    print("sgemm 2,048 x 2,048 x 2,048, OpenBLAS with all threads: \(rate.text()) GFLOP/s")
    let products = ProductBench(workers: workers, reference: rate)
    let attention = AttentionBench(workers: workers, reference: rate)
    if wants("products") { products.many() }
    if wants("few") { products.few() }
    if wants("prefill") { attention.prefill(lengths: [2048, 8192]) }
    if wants("decode") { attention.decode(depths: [512, 2048, 8192]) }
    print("\nsgemm again: \(sgemmRate().text()) GFLOP/s")
  }

  private func wants(_ part: String) -> Bool { parts.isEmpty || parts.contains(part) }

  private func sgemmRate() -> Double {
    var product = ReferenceProduct(size: 2048)
    let timing = Timing(repetitions: 10) { product.multiply(threads: threads) }
    return 2 * 2048 * 2048 * 2048 / timing.typical * 1e-9
  }
}

try KernelBench(CommandLine.arguments.dropFirst()).run()
