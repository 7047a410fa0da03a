internal import CNested
import Tensors

/// Keys, or values, as ``NestedRows`` without the prompt's mean, the highest bits of 32 slots together and apart from the
/// others, so that a coarse look at all tokens reads little (`CNested.h` has the layout).
///
/// A prompt is held as floats while it attends: its mean is known only once all of it has come. Later rows are rounded when
/// they come. Each is rounded once; when others between them leave, codes move.
final class NestedGroups: TokenStorage {
  /// Slots of a group.
  static var rows: Int { Int(nested_rows) }

  private let kind: nested_kind
  private let width: Int
  /// A group in each place.
  private var coarse: SlotArray<UInt8>
  /// A slot in each place.
  private var fine: SlotArray<UInt8>
  /// Places of the first group, and as many of `fine`, whose tokens have left: less than a group.
  private var lead = 0
  private var centre: RowCentre?
  /// A prompt that still attends.
  private var prompt: RowStorage?

  init(_ kind: nested_kind, width: Int) {
    self.kind = kind
    self.width = width
    coarse = SlotArray(
      width: Int(nested_coarse_bytes(kind, Int32(width))), page: KVHead.pageTokens / Self.rows,
      filler: 0)
    fine = SlotArray(width: Int(nested_fine_bytes(kind, Int32(width))), filler: 0)
  }

  private var count: Int { fine.count - lead }

  var allocatedBytes: Int {
    coarse.allocatedBytes + fine.allocatedBytes + (centre?.bytes ?? 0)
      + (prompt?.allocatedBytes ?? 0)
  }
  var heldBytes: Int {
    count * NestedRows.rowBytes(width: width) + (centre?.bytes ?? 0) + (prompt?.heldBytes ?? 0)
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
    prompt = nil
    floats.withRows { rows in
      guard let base = rows.base else { return }
      encode(floats.count, base.assumingMemoryBound(to: Float.self), stride: width)
    }
  }

  private func encode(_ count: Int, _ numbers: UnsafePointer<Float>, stride: Int) {
    let hadamard = Hadamard(width: width)
    add(count) { row, codes in
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
  private func add(_ added: Int, _ write: (_ row: Int, UnsafeMutablePointer<UInt8>) -> UInt16) {
    guard added > 0 else { return }
    let (first, width, kind) = (fine.count, Int32(width), kind)
    let groups = (first + added + Self.rows - 1) / Self.rows - coarse.count
    let bytes = groups * coarse.width
    coarse.append(groups) { $0.update(repeating: 0, count: bytes) }
    fine.append(added) { _ in }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: self.width) { codes in
      let codes = codes.baseAddress!  // a row has numbers
      coarse.withMutableMemory { coarse in
        fine.withMutableMemory { fine in
          for row in 0..<added {
            let scale = write(row, codes)
            nested_store(kind, width, coarse, fine, Int32(first + row), scale, codes)
          }
        }
      }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    if let prompt {
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
      (run.lowerBound + lead..<run.upperBound + lead).clamped(to: border..<fine.count)
    }
    let codes = codes(of: moved)
    keep(0..<border, keepsSlack: keepsSlack)
    if border == 0 { lead = 0 }
    add(moved.count) { row, target in
      codes.codes.withUnsafeBufferPointer {
        target.update(from: $0.baseAddress! + row * width, count: width)
      }
      return codes.scales[row]
    }
  }

  /// A window that slides moves nothing.
  private func dropFirst(_ dropped: Int, keepsSlack: Bool) {
    let gone = (lead + dropped) / Self.rows * Self.rows
    lead = (lead + dropped) % Self.rows
    keep(gone..<fine.count, keepsSlack: keepsSlack)
  }

  /// Keeps places from one border of groups to another, or to the end.
  private func keep(_ places: Range<Int>, keepsSlack: Bool) {
    let groups = places.lowerBound / Self.rows..<(places.upperBound + Self.rows - 1) / Self.rows
    coarse.retain([groups].filter { !$0.isEmpty }, keepsSlack: keepsSlack)
    fine.retain([places].filter { !$0.isEmpty }, keepsSlack: keepsSlack)
  }

  private func codes(of places: [Int]) -> (codes: [UInt8], scales: [UInt16]) {
    var codes = [UInt8](repeating: 0, count: places.count * width)
    var scales: [UInt16] = []
    codes.withUnsafeMutableBufferPointer { codes in
      withNested { memory in
        for (row, place) in places.enumerated() {
          scales.append(memory.load(place: place, into: codes.baseAddress! + row * width))
        }
      }
    }
    return (codes, scales)
  }

  func removeAll() {
    coarse.removeAll()
    fine.removeAll()
    lead = 0
    centre = nil
    prompt = nil
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
      kind: kind, width: Int32(width), coarse: coarse.map { $0 + group },
      fine: fine.map { $0 + place * Int(nested_fine_bytes(kind, Int32(width))) })
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
