import Tensors

/// Rows of few bits, except those of the most recent tokens, and of sinks, which are exact: KIVI's values, and the keys and
/// values of the Lloyd formats.
///
/// A prompt is held as floats while it attends, and what stays exact of it as half floats, as are
/// later tokens. A row is quantised once.
final class AgeingRows: TokenStorage {
  private let format: RowFormat
  private let width: Int
  /// Slots in this order: sinks, what is quantised, and what is to be.
  private let sinks: RowStorage
  private let older: RowStorage
  private var newer: ExactRows
  private let isCentred: Bool
  private var centre: RowCentre?

  /// - Parameter centred: whether the mean row of a prompt is taken off those that are quantised.
  init(_ format: RowFormat, width: Int, centred: Bool = false) {
    self.format = format
    self.width = width
    isCentred = centred
    sinks = RowStorage(format.exactCodec, width: width, page: max(1, format.sinkTokens))
    older = RowStorage(format.codec, width: width)
    newer = ExactRows(width: width, settling: format.exactCodec)
  }

  var allocatedBytes: Int {
    sinks.allocatedBytes + older.allocatedBytes + newer.allocatedBytes + (centre?.bytes ?? 0)
  }
  var heldBytes: Int {
    sinks.heldBytes + older.heldBytes + newer.heldBytes + (centre?.bytes ?? 0)
  }

  func append(_ source: Matrix, rows: Range<Int>, column: Int, firstPosition: Int) {
    if isCentred, firstPosition == 0 {
      // Of the whole prompt, so that what a key is rounded to does not depend on which others stay.
      centre = RowCentre(
        source, rows: rows, column: column, width: width, sinks: format.sinkTokens)
    }
    newer.append(source, rows: rows, column: column)
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    let border = sinks.count + older.count
    let ends = (sinks: 0..<sinks.count, older: sinks.count..<border)
    let end = border + newer.count
    sinks.retain(slots.within(ends.sinks), positions: [], keepsSlack: keepsSlack)
    older.retain(slots.within(ends.older), positions: [], keepsSlack: keepsSlack)
    newer.retain(slots.within(border..<end), keepsSlack: keepsSlack)
  }

  func settle(seen: Int, slotAtOrAfter: (Int) -> Int) {
    let border = sinks.count + older.count
    let aged = max(0, slotAtOrAfter(seen - format.recentTokens) - border)
    // Sinks come first, so none of them is among the newer tokens once others have aged.
    let exact = min(aged, max(0, slotAtOrAfter(format.sinkTokens) - sinks.count))
    newer.copy(0..<exact, to: sinks)
    newer.copy(exact..<aged, to: older, without: centre)
    newer.settle(keeping: aged..<newer.count)
  }

  func removeAll() {
    sinks.removeAll()
    older.removeAll()
    newer = ExactRows(width: width, settling: format.exactCodec)
    centre = nil
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result {
    newer.withRows { newer in
      // A prompt that still attends is not even rotated.
      guard newer.codec == format.exactCodec else { return body(.rows(newer)) }
      return sinks.withRows { sinks in
        older.withRows(without: centre) { older in
          body(
            .ageing(
              AgeingMemory(
                sinks: sinks, sinkCount: self.sinks.count, older: older,
                border: self.sinks.count + self.older.count, newer: newer)))
        }
      }
    }
  }
}

/// The rows of an ``AgeingRows`` as kernels read them.
struct AgeingMemory {
  let sinks: RowMemory
  let sinkCount: Int
  let older: RowMemory
  /// The first slot of `newer`.
  let border: Int
  let newer: RowMemory

  /// Calls `body` for each part that slots lie in: its memory, their rows in it, and how many of the slots come before.
  @inline(__always)
  func forEachPart(
    of slots: Range<Int>, _ body: (_ part: RowMemory, _ rows: Range<Int>, _ offset: Int) -> Void
  ) {
    @inline(__always)
    func visit(_ part: RowMemory, _ bounds: Range<Int>) {
      let own = slots.clamped(to: bounds)
      guard !own.isEmpty else { return }
      body(
        part, own.lowerBound - bounds.lowerBound..<own.upperBound - bounds.lowerBound,
        own.lowerBound - slots.lowerBound)
    }
    visit(sinks, 0..<sinkCount)
    visit(older, sinkCount..<border)
    visit(newer, border..<max(border, slots.upperBound))
  }

  /// Consecutive rows as floats, decoded into `scratch` unless they lie in one part as they are.
  func floats(
    _ slots: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    var whole: UnsafePointer<Float>?
    forEachPart(of: slots) { part, rows, offset in
      let place = scratch + offset * part.width
      let found = part.floats(rows, decodedInto: place)
      if rows.count == slots.count {
        whole = found
      } else if found != UnsafePointer(place) {
        place.update(from: found, count: rows.count * part.width)
      }
    }
    return whole ?? UnsafePointer(scratch)
  }
}

/// Rows that are not quantised yet: floats while a prompt attends, half floats after it.
struct ExactRows {
  private let width: Int
  private let settledCodec: any RowCodec.Type
  private var rows: RowStorage

  /// - Parameter settling: half floats, rotated where the quantised rows are.
  init(width: Int, settling: any RowCodec.Type = HalfRows.self) {
    self.width = width
    settledCodec = settling
    rows = RowStorage(FloatRows.self, width: width)
  }

  var count: Int { rows.count }
  var allocatedBytes: Int { rows.allocatedBytes }
  var heldBytes: Int { rows.heldBytes }

  func append(_ source: Matrix, rows added: Range<Int>, column: Int) {
    rows.append(source, rows: added, column: column, firstPosition: 0)
  }

  func retain(_ slots: [Range<Int>], keepsSlack: Bool) {
    rows.retain(slots, positions: [], keepsSlack: keepsSlack)
  }

  func withRows<Result>(_ body: (RowMemory) -> Result) -> Result { rows.withRows(body) }

  /// Calls `body` with some rows as floats, one after the other.
  func withFloats(_ range: Range<Int>, _ body: (UnsafePointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, range.count * width)) {
      scratch in
      rows.withRows { body($0.floats(range, decodedInto: scratch.baseAddress!)) }
    }
  }

  /// Appends some rows to another storage: as they are where it has the same format, so that they are not rounded again.
  func copy(_ range: Range<Int>, to storage: RowStorage, without centre: RowCentre? = nil) {
    guard !range.isEmpty else { return }
    if storage.codec == rows.codec {
      storage.append(range, of: rows)
    } else {
      withFloats(range) { storage.append(range.count, from: $0, stride: width, without: centre) }
    }
  }

  /// Keeps some rows, from now on as half floats.
  mutating func settle(keeping kept: Range<Int>) {
    guard rows.codec == FloatRows.self else {
      if kept.count < count { retain([kept].filter { !$0.isEmpty }, keepsSlack: true) }
      return
    }
    let halves = RowStorage(settledCodec, width: width)
    copy(kept, to: halves)
    rows = halves
  }
}

extension [Range<Int>] {
  /// The parts of ascending runs that lie within `range`, counted from its start.
  func within(_ range: Range<Int>) -> [Range<Int>] {
    compactMap { run in
      let part = run.clamped(to: range)
      return part.isEmpty
        ? nil : part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
    }
  }
}
