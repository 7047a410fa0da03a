import Tensors

extension AttentionKernel {
  /// Several blocks of queries, each with its selections: threads over (block, query head), the
  /// newest blocks first.
  ///
  /// Each KV head is packed once for all of them. Runs of keys that fill whole panels of it are
  /// read where they lie; what is left of a selection is gathered by the worker that needs it,
  /// right before it does.
  func attendBlocks(
    _ blocks: [QueryBlock], _ first: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    counts headCounts: inout [PairCounts]
  ) {
    let shape = first.shape
    let rows = first.rows.lowerBound..<(blocks.last?.rows.upperBound ?? first.rows.upperBound)
    packFrom(blocks, end: first.firstPosition + rows.upperBound, step: first, heads: heads)
    var tiles: [BlockTile] = []
    for (index, block) in blocks.enumerated().reversed() {
      let step = AttentionStep(
        rows: block.rows, firstPosition: first.firstPosition, shape: shape, tokens: first.tokens)
      for rows in Self.tiles(of: step).reversed() {
        tiles.append(BlockTile(block: index, rows: rows))
      }
    }
    while tileScratch.count < workers.threadCount { tileScratch.append(TileScratch()) }
    for scratch in tileScratch { scratch.gatheringTime = 0 }
    var counts = [PairCounts](repeating: PairCounts(), count: tiles.count * shape.queryHeads)
    counts.withUnsafeMutableBufferPointer { counts in
      nonisolated(unsafe) let counts = counts
      nonisolated(unsafe) let scratch = tileScratch
      nonisolated(unsafe) let windows = windowKeys
      nonisolated(unsafe) let heads = heads
      workers.run(count: tiles.count * shape.queryHeads) { item, worker in
        let tile = tiles[item / shape.queryHeads]
        let head = item % shape.queryHeads
        let kvHead = shape.kvHead(of: head)
        let selection = blocks[tile.block].selections[head]
        let scratch = scratch[worker]
        let queries =
          first.firstPosition + tile.rows.lowerBound..<first.firstPosition + tile.rows.upperBound
        let shared = scratch.gather(
          selection, queries: queries, from: heads[kvHead], beside: windows[kvHead])
        counts[item] = TilePass(
          step: first, buffers: buffers, rows: tile.rows, head: head, selection: selection,
          gathered: scratch.gathered, window: windows[kvHead], shared: shared, scratch: scratch
        ).run()
      }
    }
    for (item, count) in counts.enumerated() { headCounts[item % shape.queryHeads] += count }
    // Workers gather side by side.
    gatheringTime +=
      tileScratch.reduce(0) { $0 + $1.gatheringTime } / UInt64(max(1, workers.threadCount))
  }

  private struct BlockTile {
    var block: Int
    var rows: Range<Int>
  }

  /// Packs every token of each KV head that windows or runs of its query heads may show.
  private func packFrom(_ blocks: [QueryBlock], end: Int, step: AttentionStep, heads: [KVHead]) {
    while windowKeys.count < heads.count { windowKeys.append(PackedKeys()) }
    nonisolated(unsafe) let heads = heads
    nonisolated(unsafe) let windows = windowKeys
    workers.run(count: heads.count) { kvHead, _ in
      windows[kvHead].choose([0..<end], below: end, from: heads[kvHead])
    }
    pack(heads.indices.map { (keys: windowKeys[$0], head: heads[$0]) })
  }
}

extension TileScratch {
  /// Gathers the tokens in runs that a tile cannot read in `packed`, which holds all tokens of the
  /// cache.
  ///
  /// - Returns: where the windows of all queries begin at one token, the tokens of `packed` that
  ///   lie in runs before it and fill whole panels: `gathered` then holds the others. Else nil: it
  ///   holds all in runs before the last window.
  fileprivate func gather(
    _ selection: Selection, queries: Range<Int>, from head: KVHead, beside packed: PackedKeys
  ) -> [Range<Int>]? {
    var watch = Stopwatch()
    defer { gatheringTime += watch.lap().nanoseconds }
    let start = selection.window.start(forQuery: queries.upperBound - 1)
    var shared: [Range<Int>]?
    if selection.window.start(forQuery: queries.lowerBound) == start {
      var panels: [Range<Int>] = []
      var others: [Range<Int>] = []
      for run in selection.runs {
        if run.lowerBound >= start { break }
        // Counted in tokens held: with holes in the cache they lie closer than their positions.
        let held =
          packed.index(
            atOrAfter: run.lowerBound)..<packed.index(
            atOrAfter: min(run.upperBound, start))
        let first = (held.lowerBound + Panel.rows - 1) / Panel.rows * Panel.rows
        let last = held.upperBound / Panel.rows * Panel.rows
        guard first < last else {
          others.append(run)
          continue
        }
        panels.append(first..<last)
        others.append(run.lowerBound..<packed.position(of: first, in: run))
        others.append(packed.position(of: last, in: run)..<run.upperBound)
      }
      gathered.choose(others, below: start, from: head)
      shared = panels
    } else {
      gathered.choose(selection.runs, below: start, from: head)
    }
    for piece in 0..<gathered.pieces { gathered.pack(piece: piece, from: head) }
    return shared
  }
}

extension PackedKeys {
  /// The position of a token, within a run that names it or ends before it.
  fileprivate func position(of token: Int, in run: Range<Int>) -> Int {
    token < count ? min(max(Int(positions[token]), run.lowerBound), run.upperBound) : run.upperBound
  }
}
