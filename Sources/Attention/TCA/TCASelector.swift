import Tensors

/// The online part of TCA-Attention: from the importance of each key to the tokens that stay.
///
/// Positions are in blocks of b = `blockSize`. For a query at i the evictable region is [0, E(i)),
/// E(i) = max(0, ⌊i/b⌋·b − localWindow): whole blocks, all older than the query's local window.
/// Linear in the keys: one pass for the scores, then a partial selection inside each block.
public struct TCASelector: Sendable, Hashable {
  public var blockSize: Int
  public var localWindow: Int
  /// α: 0 ranks blocks by their mass alone, 1 by how spread out it is.
  public var balance: Double
  /// First tokens that stay before others, inside the budget.
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

  /// h_j = (1−α) Σ s + α (1 − Σ s² / (Σ s)²) for each whole block of `importance`, the sums over
  /// the block.
  ///
  /// The last term is a Herfindahl index, 1/b where a block has no importance at all. Sums are in
  /// Double.
  public func blockScores(_ importance: ArraySlice<Float>) -> [Double] {
    let span = importance.span
    return (0..<importance.count / blockSize).map { block in
      var sum = 0.0
      var squares = 0.0
      for index in block * blockSize..<(block + 1) * blockSize {
        let s = Double(span[index])
        sum += s
        squares += s * s
      }
      let concentration = sum == 0 ? 1 / Double(blockSize) : squares / (sum * sum)
      return (1 - balance) * sum + balance * (1 - concentration)
    }
  }

  /// How many tokens each block keeps: the block with the r-th largest score gets Ψ[r]; on equal
  /// scores the earlier block ranks first.
  public func blockBudgets(_ scores: [Double], candidate: TCACandidate) -> [Int] {
    let order = scores.indices.sorted { left, right in
      scores[left] == scores[right] ? left < right : scores[left] > scores[right]
    }
    var budgets = [Int](repeating: 0, count: scores.count)
    for (block, budget) in zip(order, candidate.budgets(blocks: scores.count)) {
      budgets[block] = budget
    }
    return budgets
  }

  /// G: the tokens of the evictable region that stay, as runs.
  ///
  /// - Parameters:
  ///   - importance: of the keys 0 ..< E, a multiple of the block size.
  ///   - candidate: the head's distribution of budgets.
  public func select(_ importance: ArraySlice<Float>, candidate: TCACandidate) -> Selection {
    let budgets = blockBudgets(blockScores(importance), candidate: candidate)
    var kept = [Bool](repeating: false, count: importance.count)
    var ranking = KeyRanking()
    for (block, budget) in budgets.enumerated() {
      ranking.mark(
        budget, of: importance.span, in: block * blockSize..<(block + 1) * blockSize, &kept)
    }
    insertSinks(min(sinks, kept.count), into: &kept, importance.span, &ranking)
    return Self.runs(of: kept)
  }

  /// The tokens that stay of one block leaving the window in decode.
  ///
  /// - Parameters:
  ///   - importance: of the block's keys that the cache holds.
  ///   - positions: theirs, ascending.
  public func selectBlock(
    _ importance: ArraySlice<Float>, at positions: [Int], budget: Int
  ) -> Selection {
    var kept = [Bool](repeating: false, count: importance.count)
    var ranking = KeyRanking()
    ranking.mark(budget, of: importance.span, in: 0..<kept.count, &kept)
    insertSinks(positions.count { $0 < sinks }, into: &kept, importance.span, &ranking)
    var selection = Selection()
    for (index, position) in positions.enumerated() where kept[index] { selection.keep(position) }
    return selection
  }

  /// Sinks (the first `count` keys) that were not selected replace the least important selected
  /// tokens, as long as there are any; the later ones on ties.
  private func insertSinks(
    _ count: Int, into kept: inout [Bool], _ importance: Span<Float>, _ ranking: inout KeyRanking
  ) {
    guard count > 0 else { return }
    let others = kept.indices.dropFirst(count).filter { kept[$0] }
    let missing = (0..<count).filter { !kept[$0] }.prefix(others.count)
    ranking.forLeastImportant(missing.count, of: importance, in: others) { kept[$0] = false }
    for sink in missing { kept[sink] = true }
  }

  private static func runs(of kept: [Bool]) -> Selection {
    var selection = Selection()
    var index = 0
    while index < kept.count {
      guard kept[index] else {
        index += 1
        continue
      }
      let start = index
      while index < kept.count, kept[index] { index += 1 }
      selection.keep(start..<index)
    }
    return selection
  }
}

extension KeyRanking {
  /// Marks the `count` most important keys of a range.
  fileprivate mutating func mark(
    _ count: Int, of importance: Span<Float>, in keys: Range<Int>, _ kept: inout [Bool]
  ) {
    if count >= keys.count {
      for key in keys { kept[key] = true }
    } else {
      forMostImportant(count, of: importance, in: keys) { kept[$0] = true }
    }
  }
}
