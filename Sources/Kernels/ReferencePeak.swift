import Threads

/// The yardstick of benchmarks for arithmetic: multiply-adds on numbers that never leave the
/// registers, on all workers. No kernel can be faster.
public enum ReferencePeak {
  /// Enough chains that none waits for its last result on any current processor.
  private static let chains = 12  // As the arrays below have.

  /// Floating-point operations of ``run(rounds:workers:)`` on one worker.
  public static func operations(rounds: Int) -> Double { Double(2 * 16 * chains) * Double(rounds) }

  /// Every worker does `rounds` rounds. The sum of all results, so that none is left out.
  public static func run(rounds: Int, workers: WorkerPool) -> Float {
    workers.map(count: workers.threadCount) { worker in
      var sums = InlineArray<12, SIMD16<Float>> { index in
        SIMD16(repeating: Float(index + worker) * 0.125)
      }
      let factor = SIMD16<Float>(repeating: 0.999)
      let addend = SIMD16<Float>(repeating: 0.001)
      for _ in 0..<rounds {
        for chain in 0..<12 {
          sums[unchecked: chain] = addend.addingProduct(sums[unchecked: chain], factor)
        }
      }
      var total = SIMD16<Float>.zero
      for chain in 0..<12 { total += sums[unchecked: chain] }
      return total.laneSum
    }.reduce(0, +)
  }
}
