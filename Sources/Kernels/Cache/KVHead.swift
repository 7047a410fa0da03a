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
  /// Tokens held.
  public private(set) var count = 0
  /// Keys of all slots, those before `firstRow` and after `firstRow + count` unused.
  private(set) var keyStorage: RowStorage
  private(set) var valueStorage: RowStorage
  public private(set) var positionStorage: [Int32] = []
  /// The quantised tokens, if there are any.
  public private(set) var cold: ColdTier?
  /// The storage row of slot 0: tokens that leave at the front leave a gap rather than move all
  /// others.
  public private(set) var firstRow = 0

  /// - Parameter scale: the one of the layer's geometry; 1/√headDimension if not given.
  public init(headDimension: Int, scale: Double? = nil, format: CacheFormat = .f32) {
    self.headDimension = headDimension
    self.format = format
    keyStorage = RowStorage(format, width: headDimension)
    valueStorage = keyStorage
    self.scale = scale ?? LayerGeometry.usualScale(headDimension: headDimension)
  }

  /// Token positions by slot, ascending.
  public var positions: ArraySlice<Int32> { positionStorage[firstRow..<firstRow + count] }

  /// The held keys (count x headDimension); decoded, which costs as much as reading them, where the
  /// format is another than float32.
  public var keys: Rows { keys(in: 0..<count) }

  /// The held values (count x headDimension).
  public var values: Rows {
    valueStorage.rows(firstRow..<firstRow + count, scale: 1)
  }

  /// The keys of some slots.
  public func keys(in slots: Range<Int>) -> Rows {
    keyStorage.rows(firstRow + slots.lowerBound..<firstRow + slots.upperBound, scale: scale)
  }

  public func position(ofSlot slot: Int) -> Int {
    precondition(slot >= 0 && slot < count, "KVHead: slot \(slot) of \(count)")
    return Int(positionStorage[firstRow + slot])
  }

  /// True if slot s holds position s for all s: nothing has left.
  public var holdsEverything: Bool {
    count == 0 || (position(ofSlot: 0) == 0 && position(ofSlot: count - 1) == count - 1)
  }

  /// The first slot whose position is at least `position`; `count` if none.
  public func slot(atOrAfter position: Int) -> Int {
    if holdsEverything { return min(max(position, 0), count) }
    return (0..<count).bisected { Int(positionStorage[firstRow + $0]) >= position }
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
    positionStorage.count * (tokenBytes + MemoryLayout<Int32>.size) + (cold?.allocatedBytes ?? 0)
  }

  /// Bytes of keys and values of the tokens held; those of a cold tier with their ranges and
  /// positions.
  public var logicalBytes: Int {
    count * tokenBytes + (cold?.allocatedBytes ?? 0)
  }

  /// Bytes of the key and the value of one token.
  public var tokenBytes: Int { 2 * format.rowBytes(width: headDimension) }

  // MARK: Writing

  /// Appends rows of `keys` and `values` (tokens x any columns), this head's columns starting at
  /// `column`, as positions `firstPosition`, `firstPosition + 1`, …; traps unless they follow those
  /// held.
  public func append(keys: Matrix, values: Matrix, column: Int, firstPosition: Int) {
    precondition(
      keys.rows == values.rows && keys.columns == values.columns
        && column + headDimension <= keys.columns,
      """
      KVHead.append: keys \(keys.rows) x \(keys.columns), values \(values.rows) x \
      \(values.columns), column \(column)
      """)
    precondition(
      count == 0 || firstPosition > position(ofSlot: count - 1),
      """
      KVHead.append: position \(firstPosition) does not follow \
      \(count == 0 ? -1 : position(ofSlot: count - 1))
      """)
    makeRoom(for: keys.rows)
    keyStorage.write(keys, column: column, at: firstRow + count)
    valueStorage.write(values, column: column, at: firstRow + count)
    for row in 0..<keys.rows {
      positionStorage[firstRow + count + row] = Int32(firstPosition + row)
    }
    count += keys.rows
  }

  /// Drops every token and frees the memory.
  public func removeAll() {
    count = 0
    firstRow = 0
    keyStorage.removeAll()
    valueStorage.removeAll()
    positionStorage = []
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
    let keptCount = kept.reduce(0) { $0 + $1.count }
    guard keptCount < count else { return }
    // Rows move towards the end with fewer of them; a new allocation moves all of them.
    let moveForward = count - (kept.first.map { $0.lowerBound == 0 ? $0.upperBound : 0 } ?? 0)
    let moveBack = count - (kept.last.map { $0.upperBound == count ? $0.count : 0 } ?? 0)
    let capacity = positionStorage.count
    let needed = Self.paged(keptCount + 1)
    if keepsSlack ? capacity - keptCount > 2 * Self.pageTokens : capacity > needed {
      reallocate(keeping: kept, capacity: needed)
    } else if moveForward <= moveBack {
      var destination = 0
      for run in kept {
        moveRows(run, to: destination)
        destination += run.count
      }
    } else {
      var destination = count
      for run in kept.reversed() {
        destination -= run.count
        moveRows(run, to: destination)
      }
      firstRow += destination
    }
    count = keptCount
  }

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

  private func moveRows(_ slots: Range<Int>, to destination: Int) {
    guard slots.lowerBound != destination else { return }
    let rows = firstRow + slots.lowerBound..<firstRow + slots.upperBound
    keyStorage.move(rows, to: firstRow + destination)
    valueStorage.move(rows, to: firstRow + destination)
    positionStorage.moveElements(
      from: rows.lowerBound, to: firstRow + destination, count: rows.count)
  }

  private func makeRoom(for tokens: Int) {
    guard firstRow + count + tokens > positionStorage.count else { return }
    let slots = [0..<count].filter { !$0.isEmpty }
    if count + tokens <= positionStorage.count && firstRow >= Self.pageTokens / 2 {
      moveRows(0..<count, to: -firstRow)
      firstRow = 0
    } else {
      // A prompt is allocated exactly; a cache that grows token by token grows by an eighth.
      let capacity =
        count == 0
        ? tokens : Self.paged(max(count + tokens, count + max(Self.pageTokens, count / 8)))
      reallocate(keeping: slots, capacity: capacity)
    }
  }

  private func reallocate(keeping kept: [Range<Int>], capacity: Int) {
    let rows = kept.map { firstRow + $0.lowerBound..<firstRow + $0.upperBound }
    keyStorage.reallocate(keeping: rows, capacity: capacity)
    valueStorage.reallocate(keeping: rows, capacity: capacity)
    positionStorage = positionStorage.moved(rows, capacity: capacity, filler: 0)
    firstRow = 0
  }

  private static func paged(_ tokens: Int) -> Int {
    (tokens + pageTokens - 1) / pageTokens * pageTokens
  }
}
