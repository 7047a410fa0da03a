/// Some elements for each slot, in one array that grows and shrinks with the tokens held.
///
/// Slots that leave at the front leave a gap rather than move all others. Memory is allocated in
/// whole pages, a first append exactly, and freed when slots leave.
struct SlotArray<Element> {
  /// Those of all slots, what lies before `first` and after the last one unused.
  private(set) var elements: [Element] = []
  /// Elements of a slot.
  let width: Int
  /// Storage grows by at least this many slots at a time.
  let page: Int
  /// Where slot 0 begins, in slots.
  private(set) var first = 0
  /// Slots held.
  private(set) var count = 0
  private let filler: Element

  init(width: Int, page: Int = KVHead.pageTokens, filler: Element) {
    self.width = width
    self.page = page
    self.filler = filler
  }

  /// Bytes that are allocated.
  var allocatedBytes: Int { elements.count * MemoryLayout<Element>.stride }

  /// Bytes of the slots held.
  var heldBytes: Int { count * width * MemoryLayout<Element>.stride }

  /// Slots that the memory has room for.
  private var capacity: Int { elements.count / width }

  subscript(slot: Int) -> Element { elements[(first + slot) * width] }

  /// Calls `body` with the memory of slot 0, nil where there is none, valid until it returns.
  func withMemory<Result>(_ body: (UnsafePointer<Element>?) -> Result) -> Result {
    elements.withUnsafeBufferPointer { body($0.baseAddress.map { $0 + first * width }) }
  }

  /// The same, to be written to.
  mutating func withMutableMemory(_ body: (UnsafeMutablePointer<Element>?) -> Void) {
    let start = first * width
    elements.withUnsafeMutableBufferPointer { body($0.baseAddress.map { $0 + start }) }
  }

  /// Adds slots; `write` is given the memory of the first of them, to be filled.
  mutating func append(_ added: Int, _ write: (UnsafeMutablePointer<Element>) -> Void) {
    guard added > 0 else { return }
    makeRoom(for: added)
    let place = (first + count) * width
    elements.withUnsafeMutableBufferPointer { write($0.baseAddress! + place) }
    count += added
  }

  /// Keeps some slots, as ascending runs with gaps between them; the others leave.
  ///
  /// - Parameter keepsSlack: true to leave up to two pages allocated, so that a cache which loses a
  ///   few tokens at every step does not move all others each time.
  mutating func retain(_ kept: [Range<Int>], keepsSlack: Bool) {
    let keptCount = kept.reduce(0) { $0 + $1.count }
    guard keptCount < count else { return }
    // Slots move towards the end with fewer of them; a new allocation moves all of them.
    let moveForward = count - (kept.first.map { $0.lowerBound == 0 ? $0.upperBound : 0 } ?? 0)
    let moveBack = count - (kept.last.map { $0.upperBound == count ? $0.count : 0 } ?? 0)
    let needed = paged(keptCount + 1)
    if keepsSlack ? capacity - keptCount > 2 * page : capacity > needed {
      reallocate(keeping: kept, capacity: needed)
    } else if moveForward <= moveBack {
      var destination = 0
      for run in kept {
        move(run, to: destination)
        destination += run.count
      }
    } else {
      var destination = count
      for run in kept.reversed() {
        destination -= run.count
        move(run, to: destination)
      }
      first += destination
    }
    count = keptCount
  }

  mutating func removeAll() { self = SlotArray(width: width, page: page, filler: filler) }

  private mutating func makeRoom(for added: Int) {
    guard first + count + added > capacity else { return }
    if count + added <= capacity && first >= page / 2 {
      move(0..<count, to: -first)
      first = 0
    } else {
      // A prompt is allocated exactly; a cache that grows token by token grows by an eighth.
      reallocate(
        keeping: [0..<count].filter { !$0.isEmpty },
        capacity: count == 0 ? added : paged(max(count + added, count + max(page, count / 8))))
    }
  }

  private mutating func move(_ slots: Range<Int>, to destination: Int) {
    guard slots.lowerBound != destination, !slots.isEmpty else { return }
    let from = (first + slots.lowerBound) * width
    let to = (first + destination) * width
    let moved = slots.count * width
    elements.withUnsafeMutableBufferPointer { memory in
      // Of trivial elements: the ranges may overlap.
      memory.baseAddress!.advanced(by: to).update(
        from: memory.baseAddress! + from, count: moved)
    }
  }

  private mutating func reallocate(keeping kept: [Range<Int>], capacity: Int) {
    var fresh: [Element] = []
    fresh.reserveCapacity(capacity * width)
    for run in kept {
      fresh.append(
        contentsOf: elements[(first + run.lowerBound) * width..<(first + run.upperBound) * width])
    }
    fresh.append(contentsOf: repeatElement(filler, count: capacity * width - fresh.count))
    elements = fresh
    first = 0
  }

  private func paged(_ slots: Int) -> Int { (slots + page - 1) / page * page }
}
