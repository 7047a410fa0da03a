import Threads

/// The yardstick of benchmarks for memory: a[i] = b[i] + s · c[i] over arrays that no cache holds.
///
/// Counts 12 bytes an element, as STREAM does: two are read and one written; that the written line
/// is read first by most processors is not counted.
public struct ReferenceTriad {
  public let count: Int
  private var target: [Float]
  private let first: [Float]
  private let second: [Float]

  /// Three arrays of `count` floats.
  public init(count: Int) {
    self.count = count
    target = [Float](repeating: 0, count: count)
    first = [Float](repeating: 1, count: count)
    second = [Float](repeating: 2, count: count)
  }

  /// The bytes of one pass.
  public var bytes: Int { 12 * count }

  /// One pass, on all workers.
  public mutating func run(scale: Float, workers: WorkerPool) {
    first.withUnsafeBufferPointer { first in
      second.withUnsafeBufferPointer { second in
        target.withUnsafeMutableBufferPointer { target in
          guard let first = first.baseAddress, let second = second.baseAddress,
            let target = target.baseAddress
          else { return }
          nonisolated(unsafe) let (a, b, c) = (target, first, second)
          workers.runRanges(total: count, minimumChunk: 1 << 16) { range, _ in
            let scales = SIMD16<Float>(repeating: scale)
            var index = range.lowerBound
            while index + 16 <= range.upperBound {
              storeVector(loadVector(b + index) + scales * loadVector(c + index), at: a + index)
              index &+= 16
            }
            while index < range.upperBound {
              a[index] = b[index] + scale * c[index]
              index &+= 1
            }
          }
        }
      }
    }
  }

  /// An element of the result.
  public subscript(index: Int) -> Float { target[index] }
}
