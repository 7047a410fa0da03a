internal import CNested
import Tensors

/// Keys, or values, as ``NestedRows`` without the prompt's mean, the highest bits of 32 slots together and apart from the
/// others, so that a coarse look at all tokens reads little (`CNested.h` has the layout).
///
/// A prompt is held as floats while it attends: its mean is known only once all of it has come. Later rows are rounded when
/// they come. Each is rounded once; when others between them leave, codes move. A row can give up all but its highest bits,
/// and is the middle of what these may stand for then.
final class NestedGroups: TokenStorage {
  /// Slots of a group.
  static var rows: Int { Int(nested_rows) }

  private let kind: nested_kind
  private let width: Int
  /// A group in each place.
  private var coarse: SlotArray<UInt8>
  /// A row with all its bits in each place.
  private var fine: SlotArray<UInt8>
  /// Rows of all groups.
  private var places = 0
  /// Rows of the first group whose tokens have left: less than a group.
  private var lead = 0
  private var centre: RowCentre?
  /// A prompt that still attends.
  private var prompt: RowStorage?
  /// Its slots that are to keep all bits; nil for all.
  private var wholeOfPrompt: [Range<Int>]?

  init(_ kind: nested_kind, width: Int) {
    self.kind = kind
    self.width = width
    coarse = SlotArray(
      width: Int(nested_coarse_bytes(kind, Int32(width))), page: KVHead.pageTokens / Self.rows,
      filler: 0)
    fine = SlotArray(width: Int(nested_fine_bytes(kind, Int32(width))), filler: 0)
  }

  private var count: Int { places - lead }

  var allocatedBytes: Int {
    coarse.allocatedBytes + fine.allocatedBytes + (centre?.bytes ?? 0)
      + (prompt?.allocatedBytes ?? 0)
  }
  var heldBytes: Int {
    if let prompt { return prompt.heldBytes + (centre?.bytes ?? 0) }
    let before = lead == 0 ? 0 : withNested { $0.whole(ofGroup: 0) } & (1 << UInt32(lead) - 1)
    let whole = fine.count - before.nonzeroBitCount
    // Which rows have all bits says nothing where all have.
    let marks = whole == count ? 0 : coarse.count * 8
    return count * coarseRowBytes + whole * fine.width + marks + (centre?.bytes ?? 0)
  }

  /// Bytes of a row that has its highest bits alone.
  private var coarseRowBytes: Int { 2 + Int(nested_coarse_bits(kind)) * width / 8 }

  /// Slots that have their highest bits alone.
  var coarseSlots: [Int] {
    guard fine.count < places else { return [] }
    return withNested { memory in (0..<count).filter { !memory.isWhole(place: $0 + lead) } }
  }

  func append(_ source: Matrix, rows: Range<Int>, column: Int, firstPosition: Int) {
    guard !rows.isEmpty else { return }
    if firstPosition == 0 {
      centre = RowCentre(source, rows: rows, column: column, width: width, sinks: 0)
      let floats = RowStorage(FloatRows.self, width: width)
      floats.append(source, rows: rows, column: column, firstPosition: 0)
      prompt = floats
    } else {
      settle()
      source.elements.withUnsafeBufferPointer { elements in
        encode(
          rows.count, elements.baseAddress! + (rows.lowerBound * source.columns + column),
          stride: source.columns)
      }
    }
  }

  func settle(seen: Int, slotAtOrAfter: (Int) -> Int) { settle() }

  private func settle() {
    guard let floats = prompt else { return }
    let whole = wholeOfPrompt
    prompt = nil
    wholeOfPrompt = nil
    floats.withRows { rows in
      guard let base = rows.base else { return }
      encode(floats.count, base.assumingMemoryBound(to: Float.self), stride: width, whole: whole)
    }
  }

  /// - Parameter whole: the rows that are to have all their bits, ascending; nil for all.
  private func encode(
    _ count: Int, _ numbers: UnsafePointer<Float>, stride: Int, whole: [Range<Int>]? = nil
  ) {
    let hadamard = Hadamard(width: width)
    add(count, whole: whole.map { Marks($0, count: count) }) { row, codes in
      var scale: Float = 0
      func encode(_ rest: UnsafePointer<Float>) {
        hadamard.withTurned(rest) {
          scale = NestedRows.codes(of: $0, width: width, into: codes)
        }
      }
      let row = numbers + row * stride
      if let centre {
        centre.withRest(of: 1, row, stride: width, encode)
      } else {
        encode(row)
      }
      return Float16(scale).bitPattern
    }
  }

  /// Adds rows whose codes `write` gives; it returns the bits of their scales.
  ///
  /// - Parameter whole: those that are to have all their bits; nil for all.
  private func add(
    _ added: Int, whole: Marks? = nil,
    _ write: (_ row: Int, UnsafeMutablePointer<UInt8>) -> UInt16
  ) {
    guard added > 0 else { return }
    let (first, fineBytes, width, kind) = (places, fine.width, Int32(width), kind)
    let groups = (first + added + Self.rows - 1) / Self.rows - coarse.count
    let bytes = groups * coarse.width
    coarse.append(groups) { $0.update(repeating: 0, count: bytes) }
    var place = fine.count
    fine.append(whole?.count ?? added) { _ in }
    places += added
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: self.width) { codes in
      let codes = codes.baseAddress!  // a row has numbers
      coarse.withMutableMemory { coarse in
        fine.withMutableMemory { fine in
          for row in 0..<added {
            let scale = write(row, codes)
            let isWhole = whole.map { $0[row] } ?? true
            nested_store(
              kind, width, coarse, Int32(first + row), scale, codes,
              isWhole ? fine! + place * fineBytes : nil, Int32(place))
            if isWhole { place += 1 }
          }
        }
      }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    if let prompt {
      precondition(wholeOfPrompt == nil, "NestedGroups.retain: slots of a prompt are marked")
      return prompt.retain(slots, positions: positions, keepsSlack: keepsSlack)
    }
    guard slots.reduce(0, { $0 + $1.count }) < count else { return }
    if slots.count == 1, slots[0].upperBound == count {
      return dropFirst(slots[0].lowerBound, keepsSlack: keepsSlack)
    }
    // Whole groups before the first gap stay in their place.
    let still = slots.first.map { $0.lowerBound == 0 ? $0.upperBound : 0 } ?? 0
    let border = (still + lead) / Self.rows * Self.rows
    let moved = slots.flatMap { run in
      (run.lowerBound + lead..<run.upperBound + lead).clamped(to: border..<places)
    }
    let rows = codes(of: moved)
    keep(0..<border, keepsSlack: keepsSlack)
    if border == 0 { lead = 0 }
    add(moved.count, whole: rows.whole) { row, target in
      rows.codes.withUnsafeBufferPointer {
        target.update(from: $0.baseAddress! + row * width, count: width)
      }
      return rows.scales[row]
    }
  }

  /// A window that slides moves nothing.
  private func dropFirst(_ dropped: Int, keepsSlack: Bool) {
    let gone = (lead + dropped) / Self.rows * Self.rows
    lead = (lead + dropped) % Self.rows
    // Most steps end no group.
    if gone > 0 { keep(gone..<places, keepsSlack: keepsSlack) }
  }

  /// Keeps places from one border of groups to another, or to the end.
  private func keep(_ kept: Range<Int>, keepsSlack: Bool) {
    let groups = kept.lowerBound / Self.rows..<(kept.upperBound + Self.rows - 1) / Self.rows
    let rows = firstFineRow(ofGroup: groups.lowerBound)..<firstFineRow(ofGroup: groups.upperBound)
    coarse.retain([groups].filter { !$0.isEmpty }, keepsSlack: keepsSlack)
    fine.retain([rows].filter { !$0.isEmpty }, keepsSlack: keepsSlack)
    places = kept.count
    countFineRows()
  }

  private func firstFineRow(ofGroup group: Int) -> Int {
    withNested { memory in (0..<group).reduce(0) { $0 + memory.whole(ofGroup: $1).nonzeroBitCount }
    }
  }

  private func countFineRows() {
    let groups = Int32(coarse.count)
    coarse.withMutableMemory { memory in
      guard let memory else { return }
      let rows = nested_count(kind, Int32(width), memory, groups)
      precondition(rows == fine.count, "NestedGroups: \(rows) rows with all bits of \(fine.count)")
    }
  }

  func coarsen(except whole: [Range<Int>]) {
    if prompt != nil {
      precondition(wholeOfPrompt == nil, "NestedGroups.coarsen: slots of a prompt are marked")
      wholeOfPrompt = whole
      return
    }
    let marks = Marks(whole.map { $0.lowerBound + lead..<$0.upperBound + lead }, count: places)
    var stay: [Range<Int>] = []
    var place = 0
    for group in 0..<coarse.count {
      let before = withNested { $0.whole(ofGroup: group) }
      let after = before & marks.bits[group]
      for row in 0..<Self.rows where before >> row & 1 == 1 {
        if after >> row & 1 == 1 {
          if stay.last?.upperBound == place {
            stay[stay.count - 1] = stay[stay.count - 1].lowerBound..<place + 1
          } else {
            stay.append(place..<place + 1)
          }
        }
        place += 1
      }
      if after != before {
        coarse.withMutableMemory { nested_set_whole(kind, Int32(width), $0, Int32(group), after) }
      }
    }
    fine.retain(stay, keepsSlack: true)
    countFineRows()
  }

  private func codes(of places: [Int]) -> (codes: [UInt8], scales: [UInt16], whole: Marks) {
    var codes = [UInt8](repeating: 0, count: places.count * width)
    var scales: [UInt16] = []
    var whole = Marks([], count: places.count)
    codes.withUnsafeMutableBufferPointer { codes in
      withNested { memory in
        for (row, place) in places.enumerated() {
          scales.append(memory.load(place: place, into: codes.baseAddress! + row * width))
          if memory.isWhole(place: place) { whole.set(row) }
        }
      }
    }
    return (codes, scales, whole)
  }

  func removeAll() {
    coarse.removeAll()
    fine.removeAll()
    places = 0
    lead = 0
    centre = nil
    prompt = nil
    wholeOfPrompt = nil
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result {
    if let prompt { return prompt.withRows { body(.rows($0)) } }
    return withNested { body(.nested($0)) }
  }

  private func withNested<Result>(_ body: (NestedMemory) -> Result) -> Result {
    coarse.withMemory { coarse in
      fine.withMemory { fine in
        (centre?.turned ?? []).withUnsafeBufferPointer { turned in
          body(
            NestedMemory(
              kind: kind, coarse: coarse, fine: fine, lead: lead, width: width,
              centre: centre == nil ? nil : turned.baseAddress))
        }
      }
    }
  }
}

/// A bit for each of some rows.
private struct Marks {
  /// By group.
  private(set) var bits: [UInt32]
  /// Bits that are set.
  private(set) var count = 0

  init(_ rows: [Range<Int>], count: Int) {
    bits = [UInt32](repeating: 0, count: (count + NestedGroups.rows - 1) / NestedGroups.rows)
    for run in rows {
      var row = run.lowerBound
      while row < run.upperBound {
        let end = min(
          run.upperBound, row / NestedGroups.rows * NestedGroups.rows + NestedGroups.rows)
        let bits = UInt32.max >> UInt32(NestedGroups.rows - (end - row))
        self.bits[row / NestedGroups.rows] |= bits << UInt32(row % NestedGroups.rows)
        row = end
      }
      self.count += run.count
    }
  }

  subscript(row: Int) -> Bool {
    bits[row / NestedGroups.rows] >> (row % NestedGroups.rows) & 1 == 1
  }

  /// Sets a bit that is not.
  mutating func set(_ row: Int) {
    bits[row / NestedGroups.rows] |= 1 << UInt32(row % NestedGroups.rows)
    count += 1
  }
}

/// The rows of ``NestedGroups`` as kernels read them.
struct NestedMemory {
  let kind: nested_kind
  /// Nil where there are none.
  let coarse: UnsafePointer<UInt8>?
  let fine: UnsafePointer<UInt8>?
  /// Slot s lies in place s + `lead`, which is less than a group.
  let lead: Int
  let width: Int
  /// What was taken off each row, turned as they are; nil for nothing.
  let centre: UnsafePointer<Float>?

  /// The rows from a place on, a multiple of 32.
  func from(place: Int) -> nested_memory {
    let group = place / NestedGroups.rows * Int(nested_coarse_bytes(kind, Int32(width)))
    return nested_memory(
      kind: kind, width: Int32(width), coarse: coarse.map { $0 + group }, fine: fine)
  }

  /// Which rows of a group have all bits, the first one's lowest.
  func whole(ofGroup group: Int) -> UInt32 {
    var memory = from(place: 0)
    return nested_whole(&memory, Int32(group))
  }

  func isWhole(place: Int) -> Bool {
    whole(ofGroup: place / NestedGroups.rows) >> (place % NestedGroups.rows) & 1 == 1
  }

  /// The bits of the scale, and the codes, of a row.
  func load(place: Int, into codes: UnsafeMutablePointer<UInt8>) -> UInt16 {
    var memory = from(place: 0)
    return nested_load(&memory, Int32(place), codes)
  }

  /// See ``DotProducts``; the vectors are turned.
  func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, slots: Range<Int>,
    into target: UnsafeMutablePointer<Float>
  ) {
    let piece = RowMemory.pieceRows
    withUnsafeTemporaryAllocation(of: Float.self, capacity: piece * width) { scratch in
      for first in stride(from: slots.lowerBound, to: slots.upperBound, by: piece) {
        let rows = first..<min(first + piece, slots.upperBound)
        decode(rows, into: scratch.baseAddress!)
        RowMemory(
          base: UnsafeRawPointer(scratch.baseAddress!), codec: FloatRows.self, width: width,
          centre: centre
        ).multiply(
          products, vectors: vectors, vector, rows: 0..<rows.count,
          into: target + (first - slots.lowerBound))
      }
    }
  }

  /// Adds weight · row; see ``WeightedSums``. The sums are turned.
  func addWeighted(
    _ sums: WeightedSums, slots: Range<Int>, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let piece = RowMemory.pieceRows
    for first in stride(from: slots.lowerBound, to: slots.upperBound, by: piece) {
      let rows = first..<min(first + piece, slots.upperBound)
      decode(rows, into: scratch)
      sums.add(
        FloatRows.self, rows: rows.count, of: scratch, weights + (first - slots.lowerBound),
        into: target, scratch: scratch)
    }
    for index in 0..<sums.vectors {
      let own = weights + index * sums.weightStride
      var total: Float = 0
      for slot in 0..<slots.count { total += own[slot] }
      addCentre(times: total, to: target + index * sums.targetStride)
    }
  }

  /// Adds what was taken off rows whose weights add up to `weight`.
  func addCentre(times weight: Float, to target: UnsafeMutablePointer<Float>) {
    guard let centre else { return }
    for i in 0..<width { target[i] += weight * centre[i] }
  }

  func floats(
    _ slots: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    decode(slots, into: scratch)
    for row in 0..<slots.count { addCentre(times: 1, to: scratch + row * width) }
    Hadamard(width: width).turn(rows: slots.count, stride: width, scratch)
    return UnsafePointer(scratch)
  }

  private func decode(_ slots: Range<Int>, into scratch: UnsafeMutablePointer<Float>) {
    guard !slots.isEmpty else { return }
    var memory = from(place: 0)
    nested_decode(&memory, Int32(slots.lowerBound + lead), Int32(slots.count), scratch)
  }
}
