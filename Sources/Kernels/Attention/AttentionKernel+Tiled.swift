import Tensors

extension AttentionKernel {
  /// Queries of a tile: a piece of work.
  static let tileRows = 128

  /// Many queries: threads over (query head, query tile), the longest tiles first.
  func attendTiled(
    _ step: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    selections: [Selection], counts headCounts: inout [PairCounts]
  ) {
    let shape = step.shape
    let gathered = pack(step, heads: heads, selections: selections)
    let tiles = Self.tiles(of: step)
    while tileScratch.count < workers.threadCount { tileScratch.append(TileScratch()) }
    var counts = [PairCounts](repeating: PairCounts(), count: tiles.count * shape.queryHeads)
    counts.withUnsafeMutableBufferPointer { counts in
      nonisolated(unsafe) let counts = counts
      nonisolated(unsafe) let scratch = tileScratch
      nonisolated(unsafe) let windows = windowKeys
      nonisolated(unsafe) let gathered = gathered
      workers.run(count: tiles.count * shape.queryHeads) { item, worker in
        let head = item % shape.queryHeads
        counts[item] = TilePass(
          step: step, buffers: buffers, rows: tiles[tiles.count - 1 - item / shape.queryHeads],
          head: head, selection: selections[head], gathered: gathered[head],
          window: windows[shape.kvHead(of: head)], scratch: scratch[worker]
        ).run()
      }
    }
    for (item, count) in counts.enumerated() { headCounts[item % shape.queryHeads] += count }
  }

  /// Tiles end at multiples of `tileRows` in token positions, so that they agree with blocks of
  /// keys.
  static func tiles(of step: AttentionStep) -> [Range<Int>] {
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

  /// Packs what the call will read: for each KV head every token from the first window start of its
  /// query heads on, and for each query head the tokens in runs before its last window start.
  ///
  /// - Returns: each query head's gathered tokens; heads of a group that select the same share one
  ///   packing.
  private func pack(
    _ step: AttentionStep, heads: [KVHead], selections: [Selection]
  ) -> [PackedKeys?] {
    let shape = step.shape
    while windowKeys.count < shape.kvHeads { windowKeys.append(PackedKeys()) }
    while gatheredKeys.count < shape.queryHeads { gatheredKeys.append(PackedKeys()) }
    let positions = step.positions
    let owners = selections.indices.map { head -> Int? in
      let end = selections[head].window.start(forQuery: positions.upperBound - 1)
      guard let first = selections[head].runs.first, first.lowerBound < end else { return nil }
      let group = shape.queryHeads(of: shape.kvHead(of: head))
      return (group.lowerBound..<head).first { selections[$0] == selections[head] } ?? head
    }
    let gathering = owners.indices.filter { owners[$0] == $0 }

    nonisolated(unsafe) let heads = heads
    nonisolated(unsafe) let windows = windowKeys
    nonisolated(unsafe) let gathered = gatheredKeys
    workers.run(count: shape.kvHeads + gathering.count) { item, _ in
      if item < shape.kvHeads {
        func start(forQuery query: Int) -> Int {
          shape.queryHeads(of: item).map { selections[$0].window.start(forQuery: query) }.min() ?? 0
        }
        let first = start(forQuery: positions.lowerBound)
        // Queries that see everything are followed by others that do.
        windows[item].choose(
          [first..<max(first, positions.upperBound)], below: positions.upperBound,
          from: heads[item],
          room: start(forQuery: positions.upperBound - 1) == 0 ? heads[item].count : 0)
      } else {
        let head = gathering[item - shape.kvHeads]
        gathered[head].choose(
          selections[head].runs,
          below: selections[head].window.start(forQuery: positions.upperBound - 1),
          from: heads[shape.kvHead(of: head)])
      }
    }
    pack((0..<shape.kvHeads).map { (keys: windows[$0], head: heads[$0]) })
    var watch = Stopwatch()
    pack(gathering.map { (keys: gathered[$0], head: heads[shape.kvHead(of: $0)]) })
    gatheringTime += watch.lap().nanoseconds
    return owners.map { owner in owner.map { gatheredKeys[$0] } }
  }

  func pack(_ packings: [(keys: PackedKeys, head: KVHead)]) {
    let pieces = packings.indices.flatMap { packing in
      (0..<packings[packing].keys.pieces).map { (packing: packing, piece: $0) }
    }
    nonisolated(unsafe) let work = packings
    workers.run(count: pieces.count) { item, _ in
      let packing = work[pieces[item].packing]
      packing.keys.pack(piece: pieces[item].piece, from: packing.head)
    }
  }
}
