/// Dot products of a few vectors with many rows in memory: each row is read once for up to four
/// vectors.
///
/// `target[v · targetStride + r] = scale · Σ_i vectors[v, i] · rows[r, i]`. Sums in Float with 16
/// lanes. The lanes of sixteen rows are stored, transposed and summed together: a horizontal sum
/// for each row would cost more than its products.
struct DotProducts {
  /// Floats of a vector and of a row; both lie without gaps.
  let count: Int
  let scale: Float
  let targetStride: Int

  /// With rows of a cache, converted on their way into the registers.
  @inline(__always)
  func multiply<Codec: RowCodec>(
    _ codec: Codec.Type, vectors: Int, _ vector: UnsafePointer<Float>, rows: Int,
    _ row: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>
  ) {
    let rowBytes = Codec.rowBytes(width: count)
    withUnsafeTemporaryAllocation(byteCount: 4 * Self.squareFloats * 4, alignment: 64) { memory in
      let squares = memory.baseAddress!.assumingMemoryBound(to: Float.self)
      // As many vectors at a time as fit into half of the registers; the rest holds sums and rows.
      // Vectors of other lengths stay in memory.
      let limit = count == 128 ? 2 : count % 16 == 0 ? 4 : 1
      for first in stride(from: 0, to: vectors, by: limit) {
        let found = min(limit, vectors - first)
        let from = vector + first * count
        for begin in stride(from: 0, to: rows, by: 16) {
          let height = min(16, rows - begin)
          lanes(codec, found, from, height, row + begin * rowBytes, rowBytes, into: squares)
          for index in 0..<found {
            add(
              squares + index * Self.squareFloats, rows: height,
              into: target + ((first + index) * targetStride + begin))
          }
        }
      }
    }
  }

  /// Sixteen rows of sixteen lanes.
  private static let squareFloats = 256

  /// Sixteen sums for each row, that of vector v and row r at `squares + 256 v + 16 r`.
  @inline(__always)
  private func lanes<Codec: RowCodec>(
    _ codec: Codec.Type, _ vectors: Int, _ vector: UnsafePointer<Float>, _ rows: Int,
    _ row: UnsafeRawPointer, _ rowBytes: Int, into squares: UnsafeMutablePointer<Float>
  ) {
    switch (count, vectors) {
    case (64, 4): KeptVectors<4, 4>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (64, 3): KeptVectors<3, 4>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (64, 2): KeptVectors<2, 4>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (64, 1): KeptVectors<1, 4>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (128, 2): KeptVectors<2, 8>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (128, 1): KeptVectors<1, 8>(vector).lanes(codec, rows, row, rowBytes, into: squares)
    case (_, 4):
      sharedLanes(InlineArray<4, Void>.self, codec, vector, rows, row, rowBytes, into: squares)
    case (_, 3):
      sharedLanes(InlineArray<3, Void>.self, codec, vector, rows, row, rowBytes, into: squares)
    case (_, 2):
      sharedLanes(InlineArray<2, Void>.self, codec, vector, rows, row, rowBytes, into: squares)
    default: anyLanes(codec, vector, rows, row, rowBytes, into: squares)
    }
  }

  /// Several vectors of a length that is a multiple of 16: each part of a row is read once for all.
  @inline(__always)
  private func sharedLanes<let vectors: Int, Codec: RowCodec>(
    _: InlineArray<vectors, Void>.Type, _ codec: Codec.Type, _ vector: UnsafePointer<Float>,
    _ rows: Int, _ row: UnsafeRawPointer, _ rowBytes: Int,
    into squares: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<rows {
      let row = row + index &* rowBytes
      prefetchLines(rowBytes, at: row + CachedRows.ahead &* rowBytes)
      var sums = InlineArray<vectors, SIMD16<Float>>(repeating: .zero)
      var i = 0
      while i < count {
        let part = Codec.vector(row, i / 16)
        for index in 0..<vectors {
          sums[unchecked: index] = sums[unchecked: index]
            .addingProduct(loadVector(vector + (index &* count &+ i)), part)
        }
        i &+= 16
      }
      for vector in 0..<vectors {
        storeVector(sums[unchecked: vector], at: squares + (256 &* vector &+ 16 &* index))
      }
    }
  }

  /// One vector of any length.
  @inline(__always)
  private func anyLanes<Codec: RowCodec>(
    _ codec: Codec.Type, _ vector: UnsafePointer<Float>, _ rows: Int, _ row: UnsafeRawPointer,
    _ rowBytes: Int, into squares: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<rows {
      let row = row + index * rowBytes
      var sum = SIMD16<Float>.zero
      var i = 0
      while i &+ 16 <= count {
        sum = sum.addingProduct(loadVector(vector + i), Codec.vector(row, i / 16))
        i &+= 16
      }
      while i < count {
        sum[i % 16] += vector[i] * Codec.number(row, i)
        i &+= 1
      }
      storeVector(sum, at: squares + 16 * index)
    }
  }

  /// The sum of the lanes of each row, scaled.
  private func add(
    _ square: UnsafePointer<Float>, rows: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let sums = LaneReduction.sums(square) * scale
    if rows == 16 {
      storeVector(sums, at: target)
    } else {
      for row in 0..<rows { target[row] = sums[row] }
    }
  }
}

/// Vectors of 16·length floats that stay in registers.
private struct KeptVectors<let vectors: Int, let length: Int> {
  private let elements: InlineArray<vectors, InlineArray<length, SIMD16<Float>>>

  @inline(__always)
  init(_ source: UnsafePointer<Float>) {
    var loaded = InlineArray<vectors, InlineArray<length, SIMD16<Float>>>(
      repeating: .init(repeating: .zero))
    for vector in 0..<vectors {
      for i in 0..<length {
        loaded[unchecked: vector][unchecked: i] = loadVector(source + 16 &* (vector &* length &+ i))
      }
    }
    elements = loaded
  }

  @inline(__always)
  func lanes<Codec: RowCodec>(
    _ codec: Codec.Type, _ rows: Int, _ row: UnsafeRawPointer, _ rowBytes: Int,
    into squares: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<rows {
      let row = row + index &* rowBytes
      prefetchLines(rowBytes, at: row + CachedRows.ahead &* rowBytes)
      var sums = InlineArray<vectors, SIMD16<Float>>(repeating: .zero)
      for i in 0..<length {
        let part = Codec.vector(row, i)
        for vector in 0..<vectors {
          sums[unchecked: vector] = sums[unchecked: vector]
            .addingProduct(elements[unchecked: vector][unchecked: i], part)
        }
      }
      for vector in 0..<vectors {
        storeVector(sums[unchecked: vector], at: squares + (256 &* vector &+ 16 &* index))
      }
    }
  }
}

/// The products of two vectors added up by lane; `count` is whole 16s.
func laneProducts(
  _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, count: Int
) -> SIMD16<Float> {
  var sum = SIMD16<Float>.zero
  for i in stride(from: 0, to: count, by: 16) {
    sum.addProduct(loadVector(first + i), loadVector(second + i))
  }
  return sum
}
