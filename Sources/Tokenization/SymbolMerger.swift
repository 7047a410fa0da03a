/// What two neighbouring symbols become, and when: pairs of lower rank merge first.
struct Merge<Symbol: Sendable>: Sendable {
  var rank: UInt32
  var merged: Symbol
}

/// Merges the symbols of a word: the pair of lowest rank first, the leftmost on ties, until no pair
/// merges.
///
/// Neighbours are a linked list and pairs wait in a heap, so a word of n symbols costs O(n log n),
/// however long it is. Keeps scratch memory for later words.
struct SymbolMerger<Symbol: Sendable> {
  private var previous: [Int] = []
  private var next: [Int] = []
  /// What the symbol at a place makes with the next; nil if nothing, or if it is gone itself.
  private var merges: [Merge<Symbol>?] = []
  private var heap = CandidateHeap()

  /// - Parameters:
  ///   - symbols: of the word, in order; afterwards those that are left.
  ///   - rule: whether and when two neighbours merge; the same for the same two.
  mutating func merge(
    _ symbols: inout [Symbol], by rule: (_ left: Symbol, _ right: Symbol) -> Merge<Symbol>?
  ) {
    guard symbols.count > 1 else { return }
    link(symbols.count)
    for place in symbols.indices { consider(place, symbols, rule) }
    while let candidate = heap.popFirst() {
      let place = candidate.place
      // Stale if the pair is not what it was. Another pair of the same rank at the same place is as
      // good: nothing that waits comes before it.
      guard let merge = merges[place], merge.rank == candidate.rank else { continue }
      let gone = next[place]
      symbols[place] = merge.merged
      merges[gone] = nil
      next[place] = next[gone]
      if next[place] < symbols.count { previous[next[place]] = place }
      consider(place, symbols, rule)
      if previous[place] >= 0 { consider(previous[place], symbols, rule) }
    }
    var place = 0
    var count = 0
    while place < symbols.count {
      symbols[count] = symbols[place]
      count += 1
      place = next[place]
    }
    symbols.removeSubrange(count...)
  }

  private mutating func link(_ count: Int) {
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    merges.removeAll(keepingCapacity: true)
    for place in 0..<count {
      previous.append(place - 1)
      next.append(place + 1)
      merges.append(nil)
    }
  }

  /// Looks up the pair that begins at `place` and puts it into the heap if it merges.
  private mutating func consider(
    _ place: Int, _ symbols: [Symbol], _ rule: (Symbol, Symbol) -> Merge<Symbol>?
  ) {
    merges[place] =
      next[place] < symbols.count ? rule(symbols[place], symbols[next[place]]) : nil
    guard let merge = merges[place] else { return }
    heap.insert(CandidateHeap.Candidate(rank: merge.rank, place: place))
  }
}

/// A binary heap of pairs that may merge, lowest rank first, then leftmost.
struct CandidateHeap {
  struct Candidate: Comparable {
    var rank: UInt32
    var place: Int

    static func < (left: Self, right: Self) -> Bool {
      left.rank != right.rank ? left.rank < right.rank : left.place < right.place
    }
  }

  private var candidates: [Candidate] = []

  mutating func insert(_ candidate: Candidate) {
    candidates.append(candidate)
    var child = candidates.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard candidates[child] < candidates[parent] else { return }
      candidates.swapAt(child, parent)
      child = parent
    }
  }

  mutating func popFirst() -> Candidate? {
    guard let first = candidates.first, let last = candidates.popLast() else { return nil }
    guard !candidates.isEmpty else { return first }
    candidates[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < candidates.count {
        if candidates[child] < candidates[least] { least = child }
      }
      guard least != parent else { return first }
      candidates.swapAt(parent, least)
      parent = least
    }
  }
}
