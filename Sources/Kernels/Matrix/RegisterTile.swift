import CMemory
import CPUCheck

/// The vector registers that this module is compiled for.
enum VectorRegisters {
  /// Whether there are 32 of 16 floats (AVX-512) rather than 16 of 8 (AVX2) or 32 of 4 (NEON).
  /// Known at compile time.
  @inline(__always)
  static var areWide: Bool { cpu_check_compiled_for() & UInt32(CPU_CHECK_AVX512F) != 0 }
}

/// A block of a matrix product, (rows x 16·vectors), that stays in registers while it accumulates.
///
/// The loops over `rows` and `vectors` are unrolled by the compiler, the block becomes that many
/// vector registers. Twelve rows of two vectors are 24 of AVX-512's 32 registers; more would spill
/// to memory and cost half the speed.
struct RegisterTile<let rows: Int, let vectors: Int> {
  private var sums: InlineArray<rows, InlineArray<vectors, SIMD16<Float>>>

  private static var rowsAhead: Int { 12 }

  /// A block of zeros.
  @inline(__always)
  init() { sums = .init(repeating: .init(repeating: .zero)) }

  /// Adds A (rows x depth) · B (depth x 16·vectors), both row-major with `strideA` and `strideB`
  /// floats from one row to the next. Each element accumulates in ascending order of depth, with
  /// fused multiply-adds.
  ///
  /// A large block reads B from the second cache, and the multiplications are too few to hide its
  /// latency: each row of B is asked for some rows ahead. A wide block of few rows reads B from
  /// memory, where the CPU's own prefetching stops at each page.
  @inline(__always)
  mutating func addProduct(
    _ a: UnsafePointer<Float>, strideA: Int, _ b: UnsafePointer<Float>, strideB: Int, depth: Int
  ) {
    var total = sums
    var line = b
    for k in 0..<depth {
      var right = InlineArray<vectors, SIMD16<Float>>(repeating: .zero)
      for vector in 0..<vectors {
        right[unchecked: vector] = loadVector(line + 16 &* vector)
        if rows >= 8 { prefetch_line(line + (Self.rowsAhead &* strideB &+ 16 &* vector)) }
      }
      if rows < 8, vectors == 4 {
        for vector in 0..<vectors {
          prefetch_line(line + (CachedRows.ahead &* strideB &+ 16 &* vector))
        }
      }
      for row in 0..<rows {
        let left = SIMD16<Float>(repeating: a[row &* strideA &+ k])
        for vector in 0..<vectors {
          total[unchecked: row][unchecked: vector] = total[unchecked: row][unchecked: vector]
            .addingProduct(left, right[unchecked: vector])
        }
      }
      line += strideB
    }
    sums = total
  }

  /// Adds what is stored at `c`, row-major with `stride` floats from one row to the next.
  @inline(__always)
  mutating func load(_ c: UnsafePointer<Float>, stride: Int) {
    for row in 0..<rows {
      let line = c + row &* stride
      for vector in 0..<vectors {
        sums[unchecked: row][unchecked: vector] += loadVector(line + 16 &* vector)
      }
    }
  }

  @inline(__always)
  func store(at c: UnsafeMutablePointer<Float>, stride: Int) {
    for row in 0..<rows {
      let line = c + row &* stride
      for vector in 0..<vectors {
        storeVector(sums[unchecked: row][unchecked: vector], at: line + 16 &* vector)
      }
    }
  }
}
