import Testing

@testable import Kernels

@Suite("BLAS")
struct BLASTests {
  @Test("A size that the library's 32 bits do not hold ends the program, and is not cut")
  func sizes() async {
    await #expect(processExitsWith: .failure) {
      var element: Float = 1
      // 2^32 + 1 was taken for 1.
      BLAS.sgemm(m: 1, n: 1, k: 1, [1], lda: 1 << 32 + 1, [1], ldb: 1, &element, ldc: 1)
    }
    await #expect(processExitsWith: .failure) {
      var element: Float = 1
      BLAS.sgemm(m: 1, n: -1, k: 1, [1], lda: 1, [1], ldb: 1, &element, ldc: 1)
    }
  }
}
