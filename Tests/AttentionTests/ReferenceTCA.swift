import Attention
import Foundation
import LabTestSupport
import Tensors

/// TCA-Attention the obvious way: sets of positions, weights in Double, every rule written out once as the paper's
/// description has it, nothing shared with the strategy but its parameters.
struct ReferenceTCA {
  let strategy: TCA
  let attention: ReferenceAttention
  let layer: Int
  /// By query head, the tokens chosen so far; nil for a head that keeps everything.
  private(set) var chosen: [Set<Int>?] = []
  /// By KV head, the tokens in the cache.
  private(set) var cache: [Set<Int>]
  private(set) var tokens = 0

  init(_ strategy: TCA, _ attention: ReferenceAttention, layer: Int = 0) {
    self.strategy = strategy
    self.attention = attention
    self.layer = layer
    cache = Array(repeating: [], count: attention.shape.kvHeads)
    chosen = (0..<attention.shape.queryHeads).map { candidate($0) < 0 ? nil : [] }
  }

  private var b: Int { strategy.blockSize }
  private var shape: AttentionShape { attention.shape }

  func evictableEnd(_ query: Int) -> Int {
    max(0, query / b * b - strategy.localWindow)
  }

  private func candidate(_ head: Int) -> Int {
    strategy.heads?[layer * shape.queryHeads + head] ?? -1
  }

  // MARK: The prompt

  /// Takes in a prompt; gives what each of its queries attends to, by head.
  mutating func prefill(_ count: Int) -> [[Set<Int>]] {
    tokens = count
    let end = evictableEnd(count - 1)
    let importance = (0..<shape.queryHeads).map { head in
      let first = max(0, count - strategy.importanceQueries)
      var sum = [Double](repeating: 0, count: count)
      for query in first..<count {
        for (key, weight) in weights(head, query, 0...query) { sum[key] += weight }
      }
      return sum.map { $0 / Double(count - first) }
    }
    for head in 0..<shape.queryHeads where candidate(head) >= 0 {
      let row = merged(head) { importance[$0] }
      chosen[head] = Self.select(
        Array(row[..<end]), shares: Self.shares(candidate(head), blockSize: b),
        strategy: strategy)
    }
    let attended = (0..<shape.queryHeads).map { head in
      (0..<count).map { query -> Set<Int> in
        let set = strategy.prefill ? visible(head) : nil
        return Set((0...query).filter { set?.contains($0) ?? true || $0 >= evictableEnd(query) })
      }
    }
    for kvHead in 0..<shape.kvHeads {
      cache[kvHead] = Set(0..<count)
      if strategy.retention { keep(kvHead, windowFrom: end) }
    }
    return attended
  }

  // MARK: Decode

  /// Takes in the next token; gives what its query attends to, by head.
  mutating func decode() -> [Set<Int>] {
    let query = tokens
    let end = evictableEnd(query)
    if query > 0, end > evictableEnd(query - 1) {
      let block = end - b..<end
      for head in 0..<shape.queryHeads where candidate(head) >= 0 {
        let importance = merged(head) { member in
          let row = weights(member, query - 1, cache[shape.kvHead(of: member)].sorted())
          return block.map { row[$0] ?? 0 }
        }
        let kept = Self.thin(
          importance, from: block.lowerBound,
          budget: Self.decodeBudget(Self.shares(candidate(head), blockSize: b)),
          sinks: strategy.sinks)
        chosen[head]?.formUnion(kept)
      }
      if strategy.retention {
        // The newest token always stays; without a window it would not.
        for kvHead in 0..<shape.kvHeads { keep(kvHead, windowFrom: min(end, query - 1)) }
      }
    }
    for kvHead in 0..<shape.kvHeads { cache[kvHead].insert(query) }
    tokens += 1
    return (0..<shape.queryHeads).map { head in
      let held = cache[shape.kvHead(of: head)]
      guard strategy.decode, let set = visible(head) else { return held }
      return held.filter { set.contains($0) || $0 >= end }
    }
  }

  // MARK: Rules

  /// What a head may attend to outside of its window; nil for everything.
  private func visible(_ head: Int) -> Set<Int>? {
    strategy.groupAttends == .own ? chosen[head] : union(shape.kvHead(of: head))
  }

  private func union(_ kvHead: Int) -> Set<Int>? {
    var union: Set<Int> = []
    for head in shape.queryHeads(of: kvHead) {
      guard let set = chosen[head] else { return nil }
      union.formUnion(set)
    }
    return union
  }

  private mutating func keep(_ kvHead: Int, windowFrom start: Int) {
    guard let union = union(kvHead) else { return }
    cache[kvHead] = cache[kvHead].filter { union.contains($0) || $0 >= start }
  }

  /// A head's own importance, or its group's mean.
  private func merged(_ head: Int, _ importance: (Int) -> [Double]) -> [Double] {
    guard strategy.groupMerge == .aggregate else { return importance(head) }
    let members = shape.queryHeads(of: shape.kvHead(of: head))
    let rows = members.map(importance)
    return rows[0].indices.map { index in
      rows.reduce(0) { $0 + $1[index] } / Double(members.count)
    }
  }

  /// The softmax of a query over the keys listed.
  private func weights(_ head: Int, _ query: Int, _ keys: some Collection<Int>) -> [Int: Double] {
    let logits = keys.map { attention.logit(head: head, query: query, key: $0) }
    let maximum = logits.max() ?? 0
    let total = logits.reduce(0) { $0 + exp($1 - maximum) }
    return Dictionary(
      uniqueKeysWithValues: zip(keys, logits.map { exp($0 - maximum) / total }))
  }

  /// p_k for k = 1, 2, 4 … b.
  static func shares(_ candidate: Int, blockSize: Int) -> [(count: Int, share: Double)] {
    let top = log2(Double(blockSize))
    let mu = top * Double(candidate / 2) / 6
    let sigma = candidate % 2 == 0 ? 0.5 : 1.5
    var counts = [1]
    while let last = counts.last, last < blockSize { counts.append(last * 2) }
    let bells = counts.map { exp(-pow(log2(Double($0)) - mu, 2) / (2 * sigma * sigma)) }
    let total = bells.reduce(0, +)
    return zip(counts, bells).map { ($0, $1 / total) }
  }

  static func decodeBudget(_ shares: [(count: Int, share: Double)]) -> Int {
    max(1, Int(shares.reduce(0) { $0 + Double($1.count) * $1.share }))
  }

  /// Largest first.
  static func budgets(_ shares: [(count: Int, share: Double)], blocks: Int) -> [Int] {
    var quotas = shares.map { (count: $0.count, blocks: Int($0.share * Double(blocks))) }
    var open = shares.enumerated().map {
      (index: $0, rest: $1.share * Double(blocks) - Double(quotas[$0].blocks))
    }
    while quotas.reduce(0, { $0 + $1.blocks }) < blocks {
      // Of equal remainders the larger k, which stands later.
      var next = 0
      for place in open.indices where open[place].rest >= open[next].rest { next = place }
      quotas[open.remove(at: next).index].blocks += 1
    }
    return quotas.flatMap { Array(repeating: $0.count, count: $0.blocks) }.sorted(by: >)
  }

  /// G.
  static func select(
    _ importance: [Double], shares: [(count: Int, share: Double)],
    strategy: TCA
  ) -> Set<Int> {
    let b = strategy.blockSize
    let blocks = importance.count / b
    let scores = (0..<blocks).map { block in
      let s = importance[block * b..<(block + 1) * b]
      let sum = s.reduce(0, +)
      let squares = s.reduce(0) { $0 + $1 * $1 }
      let herfindahl = sum == 0 ? 1 / Double(b) : squares / (sum * sum)
      return (1 - strategy.balance) * sum + strategy.balance * (1 - herfindahl)
    }
    let order = (0..<blocks).sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    var kept: Set<Int> = []
    for (block, budget) in zip(order, budgets(shares, blocks: blocks)) {
      kept.formUnion(ranked(block * b..<(block + 1) * b, importance).prefix(budget))
    }
    replaceBySinks(&kept, sinks: Array(0..<min(strategy.sinks, importance.count)), importance)
    return kept
  }

  /// What stays of one block.
  static func thin(_ importance: [Double], from first: Int, budget: Int, sinks: Int) -> Set<Int> {
    var kept = Set(ranked(0..<importance.count, importance).prefix(budget))
    replaceBySinks(
      &kept, sinks: (0..<importance.count).filter { first + $0 < sinks }, importance)
    return Set(kept.map { first + $0 })
  }

  private static func ranked(_ keys: Range<Int>, _ importance: [Double]) -> [Int] {
    keys.sorted { importance[$0] != importance[$1] ? importance[$0] > importance[$1] : $0 < $1 }
  }

  private static func replaceBySinks(_ kept: inout Set<Int>, sinks: [Int], _ importance: [Double]) {
    var weakest = Array(ranked(0..<importance.count, importance).reversed())
      .filter { kept.contains($0) && !sinks.contains($0) }[...]
    for sink in sinks where !kept.contains(sink) {
      guard let leaving = weakest.popFirst() else { return }
      kept.remove(leaving)
      kept.insert(sink)
    }
  }
}
