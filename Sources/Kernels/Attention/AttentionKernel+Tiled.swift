import Tensors

extension AttentionKernel {
  /// Query rows of a tile: the left side of the matrix products.
  static let tileRows = 128
  /// Keys of a tile.
  static let tileKeys = 512

  /// Many queries: threads over (query head, query tile), the longest tiles first.
  func attendTiled(
    _ step: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    selections: [Selection], counts headCounts: inout [PairCounts]
  ) {
    let shape = step.shape
    pack(step, heads: heads, selections: selections)
    let tiles = Self.tiles(of: step)
    let scratchCount = workers.threadCount
    while tileScratch.count < scratchCount { tileScratch.append(TileScratch()) }
    for worker in 0..<scratchCount { tileScratch[worker].prepare(headDimension: shape.headDimension) }
    var counts = [PairCounts](repeating: PairCounts(), count: tiles.count * shape.queryHeads)

    counts.withUnsafeMutableBufferPointer { counts in
      tileScratch.withUnsafeBufferPointer { scratch in
        nonisolated(unsafe) let counts = counts
        nonisolated(unsafe) let scratch = scratch
        nonisolated(unsafe) let heads = heads
        let packed = packed
        workers.run(count: tiles.count * shape.queryHeads) { item, worker in
          let tile = tiles[tiles.count - 1 - item / shape.queryHeads]
          let head = item % shape.queryHeads
          let kvHead = shape.kvHead(of: head)
          counts[item] = TilePass(
            step: step, buffers: buffers, rows: tile, head: head, selection: selections[head],
            cache: heads[kvHead], packed: packed[packedIndex(head, selections, shape)],
            scratch: scratch[worker]
          ).run()
        }
      }
    }
    for (item, count) in counts.enumerated() { headCounts[item % shape.queryHeads] += count }
  }

  /// Tiles end at multiples of `tileRows` in token positions, so that they agree with blocks of keys.
  private static func tiles(of step: AttentionStep) -> [Range<Int>] {
    var tiles: [Range<Int>] = []
    var row = step.rows.lowerBound
    while row < step.rows.upperBound {
      let position = step.firstPosition + row
      let end = min(step.rows.upperBound, row + tileRows - position % tileRows)
      tiles.append(row..<end)
      row = end
    }
    return tiles
  }

  /// Query heads of a group that select the same share one packing.
  private func packedIndex(
    _ head: Int, _ selections: [Selection], _ shape: AttentionShape
  ) -> Int {
    let first = shape.queryHeads(of: shape.kvHead(of: head)).lowerBound
    return head > first && selections[head] == selections[first] ? first : head
  }

  private func pack(_ step: AttentionStep, heads: [KVHead], selections: [Selection]) {
    let shape = step.shape
    while packed.count < shape.queryHeads { packed.append(PackedKeys()) }
    let last = step.positions.upperBound
    packed.withUnsafeMutableBufferPointer { packed in
      nonisolated(unsafe) let packed = packed
      nonisolated(unsafe) let heads = heads
      workers.run(count: shape.queryHeads) { head, _ in
        guard packedIndex(head, selections, shape) == head else { return }
        packed[head].gather(selections[head], from: heads[shape.kvHead(of: head)], before: last)
      }
    }
  }
}

/// The scratch memory of one worker: owned by the kernel, used by one tile at a time.
final class TileScratch {
  private(set) var logits: [Float] = []
  private(set) var accumulator: [Float] = []
  private(set) var maxima: [Float] = []
  private(set) var sums: [Float] = []

  func prepare(headDimension: Int) {
    let rows = AttentionKernel.tileRows
    if logits.isEmpty {
      logits = [Float](repeating: 0, count: rows * AttentionKernel.tileKeys)
      maxima = [Float](repeating: 0, count: rows)
      sums = [Float](repeating: 0, count: rows)
    }
    if accumulator.count < rows * headDimension {
      accumulator = [Float](repeating: 0, count: rows * headDimension)
    }
  }

  func withPointers<R>(
    _ body: (
      _ logits: UnsafeMutablePointer<Float>, _ accumulator: UnsafeMutablePointer<Float>,
      _ maxima: UnsafeMutablePointer<Float>, _ sums: UnsafeMutablePointer<Float>
    ) -> R
  ) -> R {
    logits.withUnsafeMutableBufferPointer { logits in
      accumulator.withUnsafeMutableBufferPointer { accumulator in
        maxima.withUnsafeMutableBufferPointer { maxima in
          sums.withUnsafeMutableBufferPointer { sums in
            body(
              logits.baseAddress!, accumulator.baseAddress!, maxima.baseAddress!,
              sums.baseAddress!)
          }
        }
      }
    }
  }
}
