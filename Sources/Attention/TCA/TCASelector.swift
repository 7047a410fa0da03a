import Tensors

/// The online part of TCA-Attention: from the importance of each key to the tokens that stay.
///
/// Positions are in blocks of b = `blockSize`. For a query at i the evictable region is [0, E(i)),
/// E(i) = max(0, ⌊i/b⌋·b − localWindow): whole blocks, all older than the query's local window.
public struct TCASelector: Sendable, Hashable {
  public var blockSize: Int
  public var localWindow: Int
  /// α: 0 ranks blocks by their mass alone, 1 by how spread out it is.
  public var balance: Double
  /// First tokens that stay in any case, inside the budget.
  public var sinks: Int

  public init(blockSize: Int, localWindow: Int, balance: Double, sinks: Int) {
    self.blockSize = blockSize
    self.localWindow = localWindow
    self.balance = balance
    self.sinks = sinks
  }

  /// E(i): the end of the evictable region of the query at `position`.
  public func evictableEnd(forQuery position: Int) -> Int {
    max(0, position / blockSize * blockSize - localWindow)
  }

  /// h_j = (1−α) Σ s + α (1 − Σ s² / (Σ s)²) for each whole block of `importance`, the sums over the block.
  ///
  /// The last term is a Herfindahl index, 1/b where a block has no importance at all. Sums are in Double.
  public func blockScores(_ importance: ArraySlice<Float>) -> [Double] {
    let count = importance.count / blockSize
    return importance.withSpan { importance in
      (0..<count).map { block in
        var sum = 0.0
        var squares = 0.0
        for index in block * blockSize..<(block + 1) * blockSize {
          let s = Double(importance[index])
          sum += s
          squares += s * s
        }
        let concentration = sum == 0 ? 1 / Double(blockSize) : squares / (sum * sum)
        return (1 - balance) * sum + balance * (1 - concentration)
      }
    }
  }

  /// G: the tokens of the evictable region that stay, as runs.
  ///
  /// - Parameters:
  ///   - importance: of the keys 0 ..< E, a multiple of the block size.
  ///   - candidate: the head's distribution of budgets.
  public func select(_ importance: ArraySlice<Float>, candidate: TCACandidate) -> Selection {
    let scores = blockScores(importance)
    let order = scores.indices.sorted { left, right in
      scores[left] == scores[right] ? left < right : scores[left] > scores[right]
    }
    let ranked = candidate.budgets(blocks: scores.count)
    var budgets = [Int](repeating: 0, count: scores.count)
    for (rank, block) in order.enumerated() { budgets[block] = ranked[rank] }
    var kept = [Bool](repeating: false, count: importance.count)
    for block in scores.indices {
      markTop(
        budgets[block], of: importance, in: block * blockSize..<(block + 1) * blockSize,
        kept: &kept)
    }
    insertSinks(into: &kept, importance: importance)
    return Self.runs(of: kept, from: 0)
  }

  /// The tokens that stay of one block leaving the window in decode.
  ///
  /// - Parameters:
  ///   - importance: of the block's keys.
  ///   - first: the position of the first of them.
  public func selectBlock(_ importance: ArraySlice<Float>, first: Int, budget: Int) -> Selection {
    var kept = [Bool](repeating: false, count: importance.count)
    markTop(min(budget, importance.count), of: importance, in: 0..<importance.count, kept: &kept)
    if first < sinks {
      insertSinks(into: &kept, importance: importance, count: min(sinks - first, kept.count))
    }
    return Self.runs(of: kept, from: first)
  }

  /// Marks the `budget` most important keys of a range; of equal ones the earlier.
  private func markTop(
    _ budget: Int, of importance: ArraySlice<Float>, in range: Range<Int>, kept: inout [Bool]
  ) {
    guard budget < range.count else {
      for index in range { kept[index] = true }
      return
    }
    // Bits of floats that are not negative order as the floats do; the inverted index breaks ties.
    var keys = range.map { index -> UInt64 in
      let bits = max(importance[importance.startIndex + index], 0).bitPattern
      return UInt64(bits) << 32 | UInt64(UInt32.max - UInt32(index))
    }
    keys.sort(by: >)
    for key in keys.prefix(budget) {
      kept[Int(UInt32.max - UInt32(truncatingIfNeeded: key))] = true
    }
  }

  /// Sinks that were not selected replace the least important selected tokens (of equal ones the later).
  private func insertSinks(
    into kept: inout [Bool], importance: ArraySlice<Float>, count: Int? = nil
  ) {
    let count = min(count ?? sinks, kept.count)
    guard count > 0 else { return }
    let missing = (0..<count).filter { !kept[$0] }
    guard !missing.isEmpty else { return }
    let weakest = kept.indices.filter { kept[$0] && $0 >= count }.sorted { left, right in
      let a = importance[importance.startIndex + left]
      let b = importance[importance.startIndex + right]
      return a == b ? left > right : a < b
    }
    for index in weakest.prefix(missing.count) { kept[index] = false }
    for index in missing.prefix(max(weakest.count, 0)) { kept[index] = true }
  }

  private static func runs(of kept: [Bool], from first: Int) -> Selection {
    var selection = Selection()
    var index = 0
    while index < kept.count {
      guard kept[index] else {
        index += 1
        continue
      }
      let start = index
      while index < kept.count, kept[index] { index += 1 }
      selection.keep(first + start..<first + index)
    }
    return selection
  }
}

extension ArraySlice {
  /// The elements as a span; indices start at 0.
  func withSpan<R>(_ body: (Span<Element>) -> R) -> R { body(self.span) }
}
