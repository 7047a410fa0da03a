import Tensors

/// The cached keys, values and token positions of one KV head in one layer.
///
/// Slots are ordered by token position, which a token keeps when others leave. Rows are
/// (slots x headDimension), row-major, keys rotated, in the cache's format. Storage is allocated in
/// whole pages and freed when tokens leave. Tokens of the ``cold`` tier have no slot: `count`,
/// `positions`, `keys` and `values` are of those held exactly. A reference, because the forward pass
/// and a strategy's view of it must be the same cache; it has one owner and is not `Sendable`.
public final class KVHead {
  /// Storage grows by at least this many tokens at a time.
  public static let pageTokens = 64

  public let headDimension: Int
  public let format: CacheFormat
  /// The attention scale of the layer: the logit of a query q and a key k is `scale · q·k`.
  public let scale: Double
  private let keyStorage: any TokenStorage
  private let valueStorage: any TokenStorage
  private var positionSlots = SlotArray<Int32>(width: 1, filler: 0)
  /// Tokens appended so far: one more than the newest position.
  private var seen = 0
  /// The quantised tokens, if there are any.
  public private(set) var cold: ColdTier?

  /// - Parameters:
  ///   - scale: the one of the layer's geometry; 1/√headDimension if not given.
  ///   - format: one that can hold rows of `headDimension` numbers; traps for another.
  public init(headDimension: Int, scale: Double? = nil, format: CacheFormat = .f32) {
    let complaint = format.complaint(headDimension: headDimension)
    precondition(complaint == nil, "KVHead: \(complaint ?? "")")
    self.headDimension = headDimension
    self.format = format
    keyStorage = format.keys.makeKeyStorage(width: headDimension)
    valueStorage = format.values.makeValueStorage(width: headDimension)
    self.scale = scale ?? LayerGeometry.usualScale(headDimension: headDimension)
  }

  /// Tokens held.
  public var count: Int { positionSlots.count }

  /// Token positions by slot, ascending.
  public var positions: ArraySlice<Int32> {
    positionSlots.elements[positionSlots.first..<positionSlots.first + count]
  }

  /// The held keys (count x headDimension); decoded, which costs as much as reading them, where the
  /// format is another than float32.
  public var keys: Rows { keys(in: 0..<count) }

  /// The held values (count x headDimension).
  public var values: Rows { values(in: 0..<count) }

  /// The keys of some slots.
  public func keys(in slots: Range<Int>) -> Rows { rows(of: keyStorage, slots, scale: scale) }

  /// The values of some slots.
  public func values(in slots: Range<Int>) -> Rows { rows(of: valueStorage, slots, scale: 1) }

  private func rows(of storage: any TokenStorage, _ slots: Range<Int>, scale: Double) -> Rows {
    if let shared = storage.sharedRows(slots, scale: scale) { return shared }
    let numbers = slots.count * headDimension
    let decoded = [Float](unsafeUninitializedCapacity: numbers) { target, initialized in
      if let target = target.baseAddress, numbers > 0 {
        positionSlots.withMemory { positions in
          storage.withMemory(positions) { memory in
            let rows = memory.rows(slots, decodedInto: target)
            if rows != UnsafePointer(target) { target.update(from: rows, count: numbers) }
          }
        }
      }
      initialized = numbers
    }
    return Rows(
      elements: decoded, firstElement: 0, count: slots.count, width: headDimension, scale: scale)
  }

  /// Calls `body` with the memory of keys and values by slot, valid until it returns.
  func withMemory<Result>(
    _ body: (_ keys: TokenMemory, _ values: TokenMemory) -> Result
  ) -> Result {
    positionSlots.withMemory { positions in
      keyStorage.withMemory(positions) { keys in
        valueStorage.withMemory(positions) { values in body(keys, values) }
      }
    }
  }

  public func position(ofSlot slot: Int) -> Int {
    precondition(slot >= 0 && slot < count, "KVHead: slot \(slot) of \(count)")
    return Int(positionSlots[slot])
  }

  /// True if slot s holds position s for all s: nothing has left.
  public var holdsEverything: Bool {
    count == 0 || (position(ofSlot: 0) == 0 && position(ofSlot: count - 1) == count - 1)
  }

  /// The first slot whose position is at least `position`; `count` if none.
  public func slot(atOrAfter position: Int) -> Int {
    if holdsEverything { return min(max(position, 0), count) }
    return (0..<count).bisected { Int(positionSlots[$0]) >= position }
  }

  /// Tokens held, exactly or quantised.
  public var heldCount: Int { count + (cold?.count ?? 0) }

  /// Positions of the tokens held, exactly or quantised, ascending.
  public var heldPositions: [Int32] {
    guard let cold, cold.count > 0 else { return Array(positions) }
    return (positions + cold.positions).sorted()
  }

  /// Bytes of keys, values and positions that are allocated, those of the cold tier included.
  public var allocatedBytes: Int {
    positionSlots.allocatedBytes + keyStorage.allocatedBytes + valueStorage.allocatedBytes
      + (cold?.allocatedBytes ?? 0)
  }

  /// Bytes of keys and values of the tokens held, and of those that have left a group which others
  /// still need (KIVI's keys); those of a cold tier with their ranges and positions.
  public var logicalBytes: Int {
    keyStorage.heldBytes + valueStorage.heldBytes + (cold?.allocatedBytes ?? 0)
  }

  // MARK: Writing

  /// Appends rows of `keys` and `values` (tokens x any columns), this head's columns starting at
  /// `column`, as positions `firstPosition`, `firstPosition + 1`, …; traps unless they follow those
  /// held.
  ///
  /// - Parameter rows: nil for all.
  public func append(
    keys: Matrix, values: Matrix, rows: Range<Int>? = nil, column: Int, firstPosition: Int
  ) {
    let rows = rows ?? 0..<keys.rows
    precondition(
      keys.rows == values.rows && keys.columns == values.columns
        && column + headDimension <= keys.columns && rows.lowerBound >= 0
        && rows.upperBound <= keys.rows,
      """
      KVHead.append: rows \(rows) of keys \(keys.rows) x \(keys.columns), values \(values.rows) x \
      \(values.columns), column \(column)
      """)
    precondition(
      count == 0 || firstPosition > position(ofSlot: count - 1),
      """
      KVHead.append: position \(firstPosition) does not follow \
      \(count == 0 ? -1 : position(ofSlot: count - 1))
      """)
    keyStorage.append(keys, rows: rows, column: column, firstPosition: firstPosition)
    valueStorage.append(values, rows: rows, column: column, firstPosition: firstPosition)
    positionSlots.append(rows.count) { target in
      for index in 0..<rows.count { target[index] = Int32(firstPosition + index) }
    }
    seen = firstPosition + rows.count
  }

  /// Quantises what has grown old enough, where the format says so; due once the newest tokens have
  /// attended.
  public func settle() {
    guard format.changesWithAge else { return }
    keyStorage.settle(seen: seen) { slot(atOrAfter: $0) }
    valueStorage.settle(seen: seen) { slot(atOrAfter: $0) }
  }

  /// Drops every token and frees the memory.
  public func removeAll() {
    keyStorage.removeAll()
    valueStorage.removeAll()
    positionSlots.removeAll()
    cold = nil
  }

  /// Adds whole pages to the cold tier; their tokens are to leave the slots with the next
  /// ``retain(_:newestQuery:keepsSlack:)``. Traps unless they follow those in it and have its
  /// format.
  public func appendCold(pages: [UInt8], positions: [Int32], format: ColdFormat) {
    var tier = cold ?? ColdTier(format, headDimension: headDimension, scale: scale)
    precondition(
      tier.format == format, "KVHead.appendCold: \(format) pages to a tier of \(tier.format)")
    cold = nil
    tier.append(pages: pages, positions: positions)
    cold = tier
  }

  /// Keeps the tokens that the query at `newestQuery` would attend to under `selection`; the others
  /// leave and their memory is freed.
  ///
  /// - Parameter keepsSlack: true to leave up to two pages allocated, so that a cache which loses a
  ///   few tokens at every step does not move all others each time.
  public func retain(_ selection: Selection, newestQuery: Int, keepsSlack: Bool = true) {
    let kept = keptSlots(selection, newestQuery: newestQuery)
    guard kept.reduce(0, { $0 + $1.count }) < count else { return }
    positionSlots.retain(kept, keepsSlack: keepsSlack)
    keyStorage.retain(kept, positions: positions, keepsSlack: keepsSlack)
    valueStorage.retain(kept, positions: positions, keepsSlack: keepsSlack)
  }

  /// In a cache of the format `nested`, keys and values of tokens that the query at `newestQuery` would not attend to under
  /// `whole` give up all but their highest bits, for good; in others nothing happens.
  public func coarsen(except whole: Selection, newestQuery: Int) {
    guard format == .nested else { return }
    let kept = keptSlots(whole, newestQuery: newestQuery)
    keyStorage.coarsen(except: kept)
    valueStorage.coarsen(except: kept)
  }

  /// Positions of tokens whose keys have given up all but their highest bits, ascending.
  public var coarsePositions: [Int32] { keyStorage.coarseSlots.map { positionSlots[$0] } }

  /// The slots, as ascending runs, that `selection` keeps.
  private func keptSlots(_ selection: Selection, newestQuery: Int) -> [Range<Int>] {
    let windowSlot = slot(atOrAfter: selection.window.start(forQuery: newestQuery))
    var kept: [Range<Int>] = []
    func keep(_ slots: Range<Int>) {
      guard !slots.isEmpty else { return }
      if let last = kept.last, last.upperBound >= slots.lowerBound {
        kept[kept.count - 1] = last.lowerBound..<max(last.upperBound, slots.upperBound)
      } else {
        kept.append(slots)
      }
    }
    for run in selection.runs {
      let first = slot(atOrAfter: run.lowerBound)
      if first >= windowSlot { break }
      keep(first..<min(slot(atOrAfter: run.upperBound), windowSlot))
    }
    keep(windowSlot..<count)
    return kept
  }
}
