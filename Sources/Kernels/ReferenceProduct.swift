import COpenBLAS

/// The yardstick of benchmarks: a product of two square matrices by OpenBLAS with its own threads.
///
/// Not for use in kernels, which have their own products and threads.
public struct ReferenceProduct {
  public let size: Int
  private var elements: [Float]

  /// Two matrices (size x size) and room for their product.
  public init(size: Int) {
    self.size = size
    elements = (0..<3 * size * size).map { Float($0 % 13) / 13 - 0.5 }
  }

  /// 2 · size³ floating-point operations. Afterwards OpenBLAS uses one thread a call again.
  public mutating func multiply(threads: Int) {
    let count = size * size
    let size = Int32(size)
    openblas_set_num_threads(Int32(threads))
    elements.withUnsafeMutableBufferPointer { elements in
      guard let a = elements.baseAddress else { return }
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1, a, size, a + count, size,
        0, a + 2 * count, size)
    }
    BLAS.useOneThread()
  }
}
