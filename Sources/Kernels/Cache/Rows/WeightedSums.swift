/// Sums of weighted rows in memory, for a few vectors of weights: each row is read once for up to
/// four of them.
///
/// `target[v · targetStride + i] += Σ_r weights[v · weightStride + r] · rows[r, i]`, in ascending
/// order of r.
struct WeightedSums {
  let vectors: Int
  /// Numbers of a row.
  let width: Int
  let weightStride: Int
  let targetStride: Int

  /// With rows of a cache, converted on their way into the registers; rows of floats on narrow ones by products of strips.
  ///
  /// - Parameter scratch: for ``RowMemory/pieceRows`` rows.
  @inline(__always)
  func add<Codec: RowCodec>(
    _ codec: Codec.Type, rows: Int, of memory: UnsafeRawPointer, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let rowBytes = Codec.rowBytes(width: width)
    // As many columns at a time as the registers hold sums of.
    if VectorRegisters.areWide && width % 64 == 0 {
      tiles(InlineArray<4, Void>.self, codec, rows: rows, of: memory, weights, into: target)
    } else if Codec.self != FloatRows.self && width % 16 == 0 {
      tiles(InlineArray<1, Void>.self, codec, rows: rows, of: memory, weights, into: target)
    } else {
      // Rows of floats need no pieces.
      let size = Codec.self == FloatRows.self ? rows : RowMemory.pieceRows
      for first in stride(from: 0, to: rows, by: size) {
        let count = min(size, rows - first)
        let piece = Codec.floats(
          count, of: memory + first * rowBytes, width: width, decodedInto: scratch,
          turningBack: false)
        add(floats: piece, rows: count, weights + first, into: target)
      }
    }
  }

  /// 16 · `sixteens` columns at a time.
  @inline(__always)
  private func tiles<let sixteens: Int, Codec: RowCodec>(
    _ size: InlineArray<sixteens, Void>.Type, _ codec: Codec.Type, rows: Int,
    of memory: UnsafeRawPointer, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    let rowBytes = Codec.rowBytes(width: width)
    let parts = width / (16 &* sixteens)
    for part in 0..<parts {
      let columns = Columns(
        memory: memory, rows: rows, rowBytes: rowBytes, part: part, partBytes: rowBytes / parts)
      var vector = 0
      while vector < vectors {
        let weights = weights + vector &* weightStride
        let target = target + (vector &* targetStride &+ 16 &* sixteens &* part)
        switch vectors &- vector {
        case 1: tile(InlineArray<1, Void>.self, size, codec, columns, weights, into: target)
        case 2: tile(InlineArray<2, Void>.self, size, codec, columns, weights, into: target)
        case 3: tile(InlineArray<3, Void>.self, size, codec, columns, weights, into: target)
        default: tile(InlineArray<4, Void>.self, size, codec, columns, weights, into: target)
        }
        vector &+= 4
      }
    }
  }

  /// Some columns of some rows.
  private struct Columns {
    let memory: UnsafeRawPointer
    let rows: Int
    let rowBytes: Int
    /// Which of a row's parts.
    let part: Int
    let partBytes: Int
  }

  /// The sums of `count` vectors in registers.
  @inline(__always)
  private func tile<let count: Int, let sixteens: Int, Codec: RowCodec>(
    _: InlineArray<count, Void>.Type, _: InlineArray<sixteens, Void>.Type, _ codec: Codec.Type,
    _ columns: Columns,
    _ weights: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>
  ) {
    var sums = InlineArray<count, InlineArray<sixteens, SIMD16<Float>>>(
      repeating: .init(repeating: .zero))
    var row = columns.memory
    let first = sixteens &* columns.part
    let offset = columns.part &* columns.partBytes
    for index in 0..<columns.rows {
      // The CPU's own prefetching stops at each page.
      prefetchLines(
        columns.partBytes, at: row + (CachedRows.ahead &* columns.rowBytes &+ offset))
      var numbers = InlineArray<sixteens, SIMD16<Float>>(repeating: .zero)
      for i in 0..<sixteens { numbers[unchecked: i] = Codec.vector(row, first &+ i) }
      for vector in 0..<count {
        let weight = SIMD16<Float>(repeating: weights[vector &* weightStride &+ index])
        for i in 0..<sixteens {
          sums[unchecked: vector][unchecked: i] = sums[unchecked: vector][unchecked: i]
            .addingProduct(weight, numbers[unchecked: i])
        }
      }
      row += columns.rowBytes
    }
    for vector in 0..<count {
      for i in 0..<sixteens {
        let place = target + (vector &* targetStride &+ 16 &* i)
        storeVector(sums[unchecked: vector][unchecked: i] + loadVector(place), at: place)
      }
    }
  }

  /// Of rows of floats.
  private func add(
    floats rows: UnsafePointer<Float>, rows count: Int, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    StripProduct(
      depth: count, strideA: weightStride, strideB: width, strideC: targetStride, adds: true
    ).multiplyFew(rows: vectors, width: width / 16 * 16, weights, rows, target)
    for column in width / 16 * 16..<width {
      for vector in 0..<vectors {
        var sum: Float = 0
        for row in 0..<count {
          sum += weights[vector * weightStride + row] * rows[row * width + column]
        }
        target[vector * targetStride + column] += sum
      }
    }
  }
}
