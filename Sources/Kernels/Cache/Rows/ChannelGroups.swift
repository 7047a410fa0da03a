import Tensors

/// KIVI's keys: by channel in groups of 32 consecutive token positions, except those of the last
/// n mod 128 of n tokens, which are exact.
///
/// A prompt is held as floats while it attends, and what stays exact of it as half floats, as are
/// later tokens. A group is quantised once, with all its tokens; those that have left stay in it, and
/// count, until all have. So what a token's key is rounded to does not depend on which others stay.
///
/// Bytes of a group: d minima, d steps, d times the codes of 32 tokens, as in a page of `ColdTier`.
final class ChannelGroups: TokenStorage {
  static var tokens: Int { 32 }
  /// Tokens that are quantised at a time.
  static var settledTokens: Int { 128 }

  private let codes: any ColdCodes.Type
  private let width: Int
  /// The first position of each group / 32, ascending.
  private var ids: SlotArray<Int32>
  /// The first groups.
  private var settled: SlotArray<UInt8>
  /// The other groups, 32 rows each but the last.
  private var open: ExactRows

  init(_ codes: any ColdCodes.Type, width: Int) {
    self.codes = codes
    self.width = width
    let page = KVHead.pageTokens / Self.tokens
    ids = SlotArray(width: 1, page: page, filler: 0)
    settled = SlotArray(
      width: codes.groupBytes(width: width), page: page, filler: 0)
    open = ExactRows(width: width)
  }

  var allocatedBytes: Int {
    ids.allocatedBytes + settled.allocatedBytes + open.allocatedBytes
  }
  var heldBytes: Int { settled.heldBytes + open.heldBytes }

  func append(_ source: Matrix, rows: Range<Int>, column: Int, firstPosition: Int) {
    guard !rows.isEmpty else { return }
    let first = firstPosition / Self.tokens
    let lane = firstPosition % Self.tokens
    let last = ids.count > 0 ? Int(ids[ids.count - 1]) : -1
    let filled = open.count - max(0, ids.count - settled.count - 1) * Self.tokens
    if last == first {
      precondition(
        filled == lane, "ChannelGroups.append: position \(firstPosition) after \(filled) of a group"
      )
    } else {
      precondition(
        last < first && (ids.count == settled.count || filled == Self.tokens),
        "ChannelGroups.append: position \(firstPosition) after \(filled) of group \(last)")
      // Tokens that left before their group was begun: as the first that is there, so that they
      // don't widen its ranges.
      for _ in 0..<lane {
        open.append(source, rows: rows.lowerBound..<rows.lowerBound + 1, column: column)
      }
    }
    open.append(source, rows: rows, column: column)
    let end = (firstPosition + rows.count - 1) / Self.tokens
    let begun = max(last + 1, first)
    ids.append(end + 1 - begun) { target in
      for id in begun..<end + 1 { target[id - begun] = Int32(id) }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    var kept: [Range<Int>] = []
    var group = 0
    for position in positions {
      let id = position / Int32(Self.tokens)
      while ids[group] < id { group += 1 }
      if let last = kept.last, last.upperBound >= group {
        if last.upperBound == group { kept[kept.count - 1] = last.lowerBound..<group + 1 }
      } else {
        kept.append(group..<group + 1)
      }
    }
    guard kept.reduce(0, { $0 + $1.count }) < ids.count else { return }
    let openRows = kept.within(settled.count..<ids.count).map { groups in
      groups.lowerBound * Self.tokens..<min(groups.upperBound * Self.tokens, open.count)
    }
    open.retain(openRows, keepsSlack: keepsSlack)
    settled.retain(kept.within(0..<settled.count), keepsSlack: keepsSlack)
    ids.retain(kept, keepsSlack: keepsSlack)
  }

  func settle(seen: Int, slotAtOrAfter: (Int) -> Int) {
    let end = seen / Self.settledTokens * Self.settledTokens
    var groups = 0
    while settled.count + groups < ids.count,
      Int(ids[settled.count + groups]) * Self.tokens < end
    { groups += 1 }
    let bytes = settled.width
    settled.append(groups) { target in
      for group in 0..<groups {
        open.withFloats(group * Self.tokens..<(group + 1) * Self.tokens) { rows in
          codes.encode(
            (0..<Self.tokens).map { rows + $0 * width }, width: width,
            into: UnsafeMutableRawPointer(target + group * bytes))
        }
      }
    }
    open.settle(keeping: groups * Self.tokens..<open.count)
  }

  func removeAll() {
    ids.removeAll()
    settled.removeAll()
    open = ExactRows(width: width)
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result {
    ids.withMemory { ids in
      settled.withMemory { settled in
        open.withRows { open in
          body(
            .groups(
              ChannelGroupMemory(
                width: width, codes: codes, positions: positions, ids: ids,
                groups: self.ids.count, settled: settled.map { UnsafeRawPointer($0) },
                settledGroups: self.settled.count, open: open)))
        }
      }
    }
  }
}

/// Groups of keys by channel as kernels read them.
struct ChannelGroupMemory {
  let width: Int
  let codes: any ColdCodes.Type
  /// Of the tokens held, by slot.
  let positions: UnsafePointer<Int32>?
  /// The first position of each group / 32, ascending.
  let ids: UnsafePointer<Int32>?
  let groups: Int
  let settled: UnsafeRawPointer?
  let settledGroups: Int
  /// Rows of the groups that are not quantised.
  let open: RowMemory

  private static var tokens: Int { 32 }

  /// See ``DotProducts``. A quantised group is multiplied as a whole where a slot of it is asked for.
  func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, slots: Range<Int>,
    into target: UnsafeMutablePointer<Float>
  ) {
    let tokens = Self.tokens
    withUnsafeTemporaryAllocation(of: Float.self, capacity: vectors * (width + tokens)) { memory in
      let scaled = memory.baseAddress!
      let logits = scaled + vectors * width
      for i in 0..<vectors * width { scaled[i] = vector[i] * products.scale }
      forEachGroup(of: slots) { group, slots, lanes in
        var first = 0
        if let group = settledGroup(group) {
          codes.multiply(group: group, width: width, vectors: vectors, scaled, into: logits)
        } else {
          first = Int(lanes[0]) % tokens
          let rows = openRows(group, lanes, slots.count)
          open.multiply(
            DotProducts(count: width, scale: products.scale, targetStride: tokens),
            vectors: vectors, vector, rows: rows, into: logits)
        }
        for index in 0..<vectors {
          let line = target + (index * products.targetStride + slots.lowerBound)
          for slot in 0..<slots.count {
            line[slot] = logits[index * tokens + Int(lanes[slot]) % tokens - first]
          }
        }
      }
    }
  }

  /// The rows of some slots as floats: where they lie if they are one after the other, else decoded
  /// into `scratch`.
  func floats(
    _ slots: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    var found: UnsafePointer<Float>?
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.tokens * width) { group in
      let decoded = group.baseAddress!
      forEachGroup(of: slots) { group, some, lanes in
        let rows: UnsafePointer<Float>
        var first = 0
        if let group = settledGroup(group) {
          codes.decode(group: group, width: width, into: decoded)
          rows = UnsafePointer(decoded)
        } else {
          first = Int(lanes[0]) % Self.tokens
          rows = open.floats(openRows(group, lanes, some.count), decodedInto: decoded)
          if some.count == 1, slots.count == 1, rows != UnsafePointer(decoded) {
            found = rows
            return
          }
        }
        for slot in 0..<some.count {
          (scratch + (some.lowerBound + slot) * width).update(
            from: rows + (Int(lanes[slot]) % Self.tokens - first) * width, count: width)
        }
      }
    }
    return found ?? UnsafePointer(scratch)
  }

  /// Calls `body` for each group that slots lie in: its index, the slots in it, counted from the first
  /// of all, and their positions.
  @inline(__always)
  private func forEachGroup(
    of slots: Range<Int>,
    _ body: (_ group: Int, _ slots: Range<Int>, _ positions: UnsafePointer<Int32>) -> Void
  ) {
    guard !slots.isEmpty, let positions, let ids else { return }
    let size = Int32(Self.tokens)
    var slot = slots.lowerBound
    var group = (0..<groups).bisected { ids[$0] >= positions[slot] / size }
    while slot < slots.upperBound {
      let id = positions[slot] / size
      while ids[group] < id { group &+= 1 }
      let first = slot
      repeat { slot &+= 1 } while slot < slots.upperBound && positions[slot] / size == id
      body(group, first - slots.lowerBound..<slot - slots.lowerBound, positions + first)
    }
  }

  /// The memory of a quantised group; nil if it is not.
  private func settledGroup(_ group: Int) -> UnsafeRawPointer? {
    guard group < settledGroups, let settled else { return nil }
    return settled + group * codes.groupBytes(width: width)
  }

  /// The rows of a group that is not quantised from the first to the last of `count` tokens.
  private func openRows(
    _ group: Int, _ positions: UnsafePointer<Int32>, _ count: Int
  ) -> Range<Int> {
    let first = (group - settledGroups) * Self.tokens
    return first + Int(positions[0]) % Self.tokens..<first + Int(positions[count - 1])
      % Self.tokens + 1
  }
}
