/// Byte-pair encoding of one word: the pair of lowest rank merges first, the leftmost on ties,
/// until no pair merges.
///
/// Neighbours are a linked list and pairs wait in a heap, so a word of n bytes costs O(n log n),
/// however long it is. Keeps scratch memory for later words.
struct BytePairMerger {
  private let table: MergeTable
  /// -1 where a symbol was merged into the one before it.
  private var tokens: [Int32] = []
  private var previous: [Int] = []
  private var next: [Int] = []
  /// The rank at which a symbol merges with the next; Int32.max if it does not.
  private var ranks: [Int32] = []
  private var heap = CandidateHeap()

  init(_ table: MergeTable) { self.table = table }

  /// Appends the tokens of a word. A byte without a token is dropped, so that its neighbours become
  /// adjacent, as in the tokenizers library.
  mutating func append(_ word: ArraySlice<UInt8>, to ids: inout [Int32]) {
    tokens.removeAll(keepingCapacity: true)
    for byte in word where table.byteTokens[Int(byte)] >= 0 {
      tokens.append(table.byteTokens[Int(byte)])
    }
    if tokens.count > 1 { mergeAll() }
    for token in tokens where token >= 0 { ids.append(token) }
  }

  private mutating func mergeAll() {
    let count = tokens.count
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    ranks.removeAll(keepingCapacity: true)
    for place in 0..<count {
      previous.append(place - 1)
      next.append(place + 1)
      ranks.append(Int32.max)
    }
    for place in 0..<count - 1 { consider(place) }

    while let candidate = heap.popFirst() {
      let place = candidate.place
      // Ranks are unique to a pair, so a stale heap entry shows by its rank.
      guard ranks[place] == candidate.rank, tokens[place] >= 0 else { continue }
      let right = next[place]
      guard let merge = table.merge(tokens[place], tokens[right]) else { continue }
      tokens[place] = merge.merged
      tokens[right] = -1
      next[place] = next[right]
      if next[place] < count { previous[next[place]] = place }
      consider(place)
      if previous[place] >= 0 { consider(previous[place]) }
    }
  }

  /// Looks up the pair that begins at `place` and puts it into the heap if it merges.
  private mutating func consider(_ place: Int) {
    ranks[place] = Int32.max
    guard next[place] < tokens.count,
      let merge = table.merge(tokens[place], tokens[next[place]])
    else { return }
    ranks[place] = merge.rank
    heap.insert(CandidateHeap.Candidate(rank: merge.rank, place: place))
  }
}

/// A binary heap of pairs that may merge, lowest rank first, then leftmost.
struct CandidateHeap {
  struct Candidate: Comparable {
    var rank: Int32
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
