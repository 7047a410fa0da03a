import Foundation
import Tensors

/// One tile of queries of one head against all keys that its selection shows.
///
/// The keys come in two parts. Those in runs before the first query's window are visible to every query of the tile:
/// a prefix of the packed keys, no mask. From there to the last query they are read from the cache as they lie, and
/// masked where a query is older than a key or its window has slid past it.
///
/// Logits are kept in units of log 2 (q·k/√d · log₂ e), so that the exponential is 2^x.
struct TilePass {
  let step: AttentionStep
  let buffers: AttentionBuffers
  let rows: Range<Int>
  let head: Int
  let selection: Selection
  let cache: KVHead
  let packed: PackedKeys
  let scratch: TileScratch

  func run() -> PairCounts {
    scratch.withPointers { logits, accumulator, maxima, sums in
      var state = SoftmaxState(
        rows: rows.count, dimension: step.shape.headDimension, logits: logits,
        accumulator: accumulator, maxima: maxima, sums: sums)
      state.reset()
      let firstQuery = step.firstPosition + rows.lowerBound
      let lastQuery = step.firstPosition + rows.upperBound - 1
      let windowStart = selection.window.start(forQuery: firstQuery)
      var counts = attendPacked(&state, before: windowStart)
      counts += attendCache(
        &state, from: windowStart, queries: firstQuery..<lastQuery + 1)
      finish(state)
      return counts
    }
  }

  private var queryStride: Int { step.shape.queryHeads * step.shape.headDimension }

  private var firstQueryRow: UnsafePointer<Float> {
    buffers.queries + rows.lowerBound * queryStride + head * step.shape.headDimension
  }

  private func attendPacked(_ state: inout SoftmaxState, before windowStart: Int) -> PairCounts {
    let count = packed.count(before: windowStart)
    guard count > 0 else { return PairCounts() }
    let d = state.dimension
    packed.keys.withUnsafeBufferPointer { keys in
      packed.values.withUnsafeBufferPointer { values in
        var begin = 0
        while begin < count {
          let size = min(AttentionKernel.tileKeys, count - begin)
          state.absorb(
            keys: keys.baseAddress! + begin * d, values: values.baseAddress! + begin * d,
            count: size, queries: firstQueryRow, queryStride: queryStride, mask: nil)
          begin += size
        }
      }
    }
    return PairCounts(nominal: count * rows.count, computed: count * rows.count)
  }

  private func attendCache(
    _ state: inout SoftmaxState, from windowStart: Int, queries: Range<Int>
  ) -> PairCounts {
    let d = state.dimension
    let first = cache.firstRow
    let beginSlot = cache.slot(atOrAfter: windowStart)
    let endSlot = cache.slot(atOrAfter: queries.upperBound)
    guard beginSlot < endSlot else { return PairCounts() }
    var counts = PairCounts()
    cache.keyStorage.withUnsafeBufferPointer { keys in
      cache.valueStorage.withUnsafeBufferPointer { values in
        cache.positionStorage.withUnsafeBufferPointer { positions in
          var begin = beginSlot
          while begin < endSlot {
            let size = min(AttentionKernel.tileKeys, endSlot - begin)
            let row = first + begin
            let mask = TileMask(
              positions: positions.baseAddress! + row, count: size, selection: selection,
              queries: queries)
            counts.nominal += mask.visiblePairs
            counts.computed += size * rows.count
            state.absorb(
              keys: keys.baseAddress! + row * d, values: values.baseAddress! + row * d,
              count: size, queries: firstQueryRow, queryStride: queryStride,
              mask: mask.isNeeded ? mask : nil)
            begin += size
          }
        }
      }
    }
    return counts
  }

  /// Divides by the sums and writes the tile's rows.
  private func finish(_ state: SoftmaxState) {
    let d = state.dimension
    for row in 0..<rows.count {
      let target = buffers.output + (rows.lowerBound + row) * queryStride + head * d
      let scale = 1 / state.sums[row]
      let source = state.accumulator + row * d
      for i in 0..<d { target[i] = source[i] * scale }
      buffers.logSumExp[head * step.tokens + rows.lowerBound + row] = Float(
        (Double(state.maxima[row]) + log2(Double(state.sums[row]))) * 0.693_147_180_559_945_3)
    }
  }
}

/// Which keys of a tile each query sees: for most tiles all of them.
///
/// Row r sees the keys of slots `begin ..< end` of the tile, and below `begin` those that lie in a run.
struct TileMask {
  private(set) var begins: [Int] = []
  private(set) var ends: [Int] = []
  /// For keys that some window has slid past: whether a run holds them all the same.
  private(set) var isInRun: [Bool] = []
  private(set) var visiblePairs = 0
  private(set) var isNeeded = false
  let count: Int

  init(
    positions: UnsafePointer<Int32>, count: Int, selection: Selection, queries: Range<Int>
  ) {
    self.count = count
    let lastStart = selection.window.start(forQuery: queries.upperBound - 1)
    let isCausalEverywhere = Int(positions[count - 1]) <= queries.lowerBound
    if isCausalEverywhere && Int(positions[0]) >= lastStart {
      visiblePairs = count * queries.count
      return
    }
    isNeeded = true
    begins.reserveCapacity(queries.count)
    ends.reserveCapacity(queries.count)
    var begin = 0
    var end = 0
    for query in queries {
      let start = selection.window.start(forQuery: query)
      while begin < count, Int(positions[begin]) < start { begin += 1 }
      while end < count, Int(positions[end]) <= query { end += 1 }
      begins.append(begin)
      ends.append(end)
    }
    // Runs only matter below the highest window start.
    isInRun = [Bool](repeating: false, count: begin)
    var runsBefore = [Int](repeating: 0, count: begin + 1)
    var next = 0
    for slot in 0..<begin {
      let position = Int(positions[slot])
      while next < selection.runs.count, selection.runs[next].upperBound <= position { next += 1 }
      isInRun[slot] =
        next < selection.runs.count && selection.runs[next].lowerBound <= position
      runsBefore[slot + 1] = runsBefore[slot] + (isInRun[slot] ? 1 : 0)
    }
    for row in 0..<queries.count {
      visiblePairs += max(0, ends[row] - begins[row]) + runsBefore[min(begins[row], ends[row])]
    }
  }

  /// Sets the logits that the query of `row` does not see to −infinity.
  func hide(_ logits: UnsafeMutablePointer<Float>, row: Int) {
    for slot in 0..<min(begins[row], ends[row]) where !isInRun[slot] {
      logits[slot] = -.infinity
    }
    var slot = ends[row]
    while slot < count {
      logits[slot] = -.infinity
      slot &+= 1
    }
  }
}
