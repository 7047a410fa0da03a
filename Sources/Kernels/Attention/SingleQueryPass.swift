internal import CLookup
import Tensors

/// The query heads of one group at one position against a range of slots of their KV head.
///
/// Slots are taken in blocks of sixteen. A block that none of the heads sees is neither multiplied
/// nor read.
struct SingleQueryPass {
  let cache: BareMemory.Cache
  let slots: Range<Int>
  /// The query's position.
  let query: Int
  /// Query heads.
  let group: Int
  /// (group x headDimension)
  let queries: UnsafePointer<Float>
  /// For each query head its maximum, its sum and its weighted values,
  /// (group x (headDimension + 2)).
  let partials: UnsafeMutablePointer<Float>
  let scratch: FloatBuffer

  private static let logitStride = AttentionKernel.partSlots + 16

  private var headDimension: Int { cache.headDimension }
  private var blocks: Int { (slots.count + 15) / 16 }

  /// Writes the partial results and one count for each query head.
  ///
  /// - Parameter selections: one a query head.
  func run(
    selections: UnsafePointer<BareMemory.Shown>, counts: UnsafeMutablePointer<PairCounts>
  ) {
    let logits = scratch.reserve(
      group * Self.logitStride + max(group, RowMemory.pieceRows) * headDimension)
    let decoded = logits + group * Self.logitStride
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: (group + 1) * blocks) { bits in
      let shown = bits.baseAddress!
      let needed = shown + group * blocks
      needed.update(repeating: 0, count: blocks)
      for index in 0..<group {
        let own = shown + index * blocks
        show(selections[index], in: own)
        counts[index] = PairCounts()
        for block in 0..<blocks {
          needed[block] |= own[block]
          counts[index].nominal += own[block].nonzeroBitCount
        }
      }
      let multiplied = (0..<blocks).reduce(0) { total, block in
        total + (needed[block] == 0 ? 0 : min(16, slots.count - 16 * block))
      }
      for index in 0..<group { counts[index].computed = multiplied }
      scores(shown: shown, needed: needed, into: logits, turning: decoded)
      for index in 0..<group {
        let mass = BinaryLogits.exponentiate(
          logits + index * Self.logitStride, count: 16 &* blocks)
        partials[index * (headDimension + 2)] = mass.maximum
        partials[index * (headDimension + 2) + 1] = mass.sum
      }
      accumulate(logits, needed: needed, decoded: decoded)
    }
  }

  // MARK: Which slots

  /// One bit for each slot that the query sees.
  private func show(_ selection: BareMemory.Shown, in bits: UnsafeMutablePointer<UInt16>) {
    let start = selection.window.start(forQuery: query)
    let windowSlot = min(max(cache.slot(atOrAfter: start), slots.lowerBound), slots.upperBound)
    bits.update(repeating: 0, count: blocks)
    let from = windowSlot - slots.lowerBound
    if from < slots.count {
      (bits + from / 16).update(repeating: .max, count: blocks - from / 16)
      bits[from / 16] &= .max << UInt16(from % 16)
      bits[blocks - 1] &= .max >> UInt16(16 * blocks - slots.count)
    }
    guard windowSlot > slots.lowerBound, !selection.runs.isEmpty else { return }
    let positions = UnsafeBufferPointer(rebasing: cache.positions[slots.lowerBound..<windowSlot])
    showRuns(
      selection.runs[selection.firstRun(endingAfter: Int(positions[0]))...], positions: positions,
      in: bits)
  }

  /// Adds the bits of the slots at `positions` that lie in runs.
  ///
  /// Sets one bit for each position between the first and the last: with scattered tokens, merging
  /// runs and slots in step would mispredict nearly every branch.
  private func showRuns(
    _ runs: Slice<UnsafeBufferPointer<Range<Int>>>, positions: UnsafeBufferPointer<Int32>,
    in bits: UnsafeMutablePointer<UInt16>
  ) {
    let first = Int(positions[0])
    let end = Int(positions[positions.count - 1]) + 1
    // Two partial words at the ends, and eight that a lookup may read beyond.
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: (end - first) / 64 + 10) { map in
      map.update(repeating: 0)
      mark(runs, from: first, to: end, in: map)
      if end - first == positions.count {
        for block in 0..<(positions.count + 15) / 16 {
          bits[block] |= UInt16(truncatingIfNeeded: map[block / 4] >> UInt64(block % 4 * 16))
        }
        return
      }
      let whole = positions.count / 16
      for block in 0..<whole {
        bits[block] |= lookup_bits(
          map.baseAddress!, positions.baseAddress! + 16 &* block, positions[0])
      }
      for slot in 16 &* whole..<positions.count {
        let place = Int(positions[slot]) - first
        bits[whole] |= UInt16(map[place / 64] >> UInt64(place % 64) & 1) << UInt16(slot % 16)
      }
    }
  }

  /// Sets the bits of the positions that lie in runs, counted from `first`.
  @inline(__always)
  private func mark(
    _ runs: Slice<UnsafeBufferPointer<Range<Int>>>, from first: Int, to end: Int,
    in map: UnsafeMutableBufferPointer<UInt64>
  ) {
    for run in runs {
      if run.lowerBound >= end { break }
      let begin = UInt(bitPattern: max(run.lowerBound, first) &- first)
      let last = UInt(bitPattern: min(run.upperBound, end) &- first &- 1)
      let onwards = UInt64.max &<< UInt64(begin)
      let upTo = UInt64.max &>> UInt64(63 &- last & 63)
      let word = Int(bitPattern: begin / 64)
      let lastWord = Int(bitPattern: last / 64)
      if word == lastWord {
        map[word] |= onwards & upTo
      } else {
        map[word] |= onwards
        for between in word &+ 1..<lastWord { map[between] = .max }
        map[lastWord] |= upTo
      }
    }
  }

  // MARK: Logits

  /// Logits in units of log 2, −infinity where a head does not see a slot.
  private func scores(
    shown: UnsafePointer<UInt16>, needed: UnsafePointer<UInt16>,
    into logits: UnsafeMutablePointer<Float>, turning scratch: UnsafeMutablePointer<Float>
  ) {
    let products = DotProducts(
      count: headDimension, scale: BinaryLogits.factor(scale: cache.scale),
      targetStride: Self.logitStride)
    let queries = cache.keys.turned(queries, count: group, into: scratch)
    forEachStretch(needed) { stretch in
      cache.keys.multiply(
        products, vectors: group, queries, slots: held(stretch),
        into: logits + stretch.lowerBound)
    }
    for index in 0..<group {
      for block in 0..<blocks {
        Self.hide(
          logits + (index * Self.logitStride + 16 * block), shown: shown[index * blocks + block])
      }
    }
  }

  /// Sets the logits of a block whose bits are 0 to −infinity.
  @inline(__always)
  private static func hide(_ logits: UnsafeMutablePointer<Float>, shown bits: UInt16) {
    guard bits != .max else { return }
    // With integers: comparing and choosing lane by lane does not become vectors.
    let lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    let isShown = SIMD16<UInt32>(repeating: UInt32(bits)) &>> lanes & 1
    let shown = SIMD16<UInt32>.zero &- isShown
    let infinity = SIMD16<UInt32>(repeating: (-Float.infinity).bitPattern)
    let vector = unsafeBitCast(loadVector(logits), to: SIMD16<UInt32>.self)
    storeVector(
      unsafeBitCast(vector & shown | infinity & ~shown, to: SIMD16<Float>.self), at: logits)
  }

  /// Calls `body` for the slots, counted from the first, of each stretch of needed blocks.
  @inline(__always)
  private func forEachStretch(_ needed: UnsafePointer<UInt16>, _ body: (Range<Int>) -> Void) {
    var block = 0
    while block < blocks {
      let first = block
      while block < blocks, needed[block] != 0 { block &+= 1 }
      if first < block { body(16 &* first..<min(16 &* block, slots.count)) }
      block &+= 1
    }
  }

  // MARK: Values

  /// Adds up weight · value over each stretch of blocks that some head sees.
  private func accumulate(
    _ weights: UnsafePointer<Float>, needed: UnsafePointer<UInt16>,
    decoded: UnsafeMutablePointer<Float>
  ) {
    let d = headDimension
    let weighted = partials + 2
    for index in 0..<group { (weighted + index * (d + 2)).update(repeating: 0, count: d) }
    let sums = WeightedSums(
      vectors: group, width: d, weightStride: Self.logitStride, targetStride: d + 2)
    forEachStretch(needed) { stretch in
      cache.values.addWeighted(
        sums, slots: held(stretch), weights + stretch.lowerBound, into: weighted,
        scratch: decoded)
    }
    cache.values.turnBack(weighted, count: group, stride: d + 2)
  }

  /// The cache's slots of a stretch, which counts from the first of the pass.
  private func held(_ stretch: Range<Int>) -> Range<Int> {
    slots.lowerBound + stretch.lowerBound..<slots.lowerBound + stretch.upperBound
  }
}
