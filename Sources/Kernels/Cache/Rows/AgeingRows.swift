import Tensors

/// KIVI's values: rows of few bits, except those of the 128 most recent tokens, which are exact.
///
/// A prompt is held as floats while it attends, and what stays exact of it as half floats, as are
/// later tokens. A row is quantised once.
final class AgeingRows: TokenStorage {
  /// Tokens that stay exact.
  static let exactTokens = 128

  private let width: Int
  private let older: RowStorage
  private var newer: ExactRows

  init(_ codec: any RowCodec.Type, width: Int) {
    self.width = width
    older = RowStorage(codec, width: width)
    newer = ExactRows(width: width)
  }

  var allocatedBytes: Int { older.allocatedBytes + newer.allocatedBytes }
  var heldBytes: Int { older.heldBytes + newer.heldBytes }

  func append(_ source: Matrix, rows: Range<Int>, column: Int, firstPosition: Int) {
    newer.append(source, rows: rows, column: column)
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    let border = older.count
    let end = border + newer.count
    older.retain(slots.within(0..<border), positions: [], keepsSlack: keepsSlack)
    newer.retain(slots.within(border..<end), keepsSlack: keepsSlack)
  }

  func settle(seen: Int, slotAtOrAfter: (Int) -> Int) {
    let border = older.count
    let aged = max(0, slotAtOrAfter(seen - Self.exactTokens) - border)
    if aged > 0 {
      newer.withFloats(0..<aged) { older.append(aged, from: $0, stride: width) }
    }
    newer.settle(keeping: aged..<newer.count)
  }

  func removeAll() {
    older.removeAll()
    newer = ExactRows(width: width)
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result {
    older.withRows { older in
      newer.withRows { newer in
        body(.ageing(older: older, border: self.older.count, newer: newer))
      }
    }
  }
}

/// Rows that are not quantised yet: floats while a prompt attends, half floats after it.
struct ExactRows {
  private let width: Int
  private var rows: RowStorage

  init(width: Int) {
    self.width = width
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

  /// Keeps some rows, from now on as half floats.
  mutating func settle(keeping kept: Range<Int>) {
    guard rows.codec == FloatRows.self else {
      if kept.count < count { retain([kept].filter { !$0.isEmpty }, keepsSlack: true) }
      return
    }
    let halves = RowStorage(HalfRows.self, width: width)
    if !kept.isEmpty {
      withFloats(kept) { halves.append(kept.count, from: $0, stride: width) }
    }
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
