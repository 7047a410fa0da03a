import Tensors

/// For each block of a prompt's queries, the blocks of keys that they attend to; every query
/// attends to itself.
package struct BlockSelection: Sendable, Hashable {
  let blockSize: Int
  let tokens: Int
  /// By query block, ascending: blocks of keys older than it.
  private(set) var older: [[Int32]]
  /// By query block: whether its queries attend to one another, causally.
  private(set) var own: [Bool]

  /// Every query attends to itself alone.
  init(blockSize: Int, tokens: Int) {
    self.blockSize = blockSize
    self.tokens = tokens
    let blocks = (tokens + blockSize - 1) / blockSize
    older = Array(repeating: [], count: blocks)
    own = Array(repeating: false, count: blocks)
  }

  var blocks: Int { own.count }

  /// Sets the key blocks that one block of queries attends to, its own among them if named; later
  /// ones are ignored.
  mutating func set(_ block: Int, keys: some Sequence<Int>) {
    var kept = [Bool](repeating: false, count: block + 1)
    for key in keys where key <= block { kept[key] = true }
    own[block] = kept[block]
    older[block] = (0..<block).filter { kept[$0] }.map(Int32.init)
  }

  /// What the queries of one block attend to.
  func selection(_ block: Int) -> Selection {
    var selection = Selection(
      window: own[block] ? LocalWindow(width: 0, alignment: blockSize) : .currentToken)
    for key in older[block] {
      selection.keep(Int(key) * blockSize..<(Int(key) + 1) * blockSize)
    }
    return selection
  }

  /// Query-key pairs of the whole prompt.
  var pairs: Int {
    (0..<blocks).reduce(0) { sum, block in
      let queries = min(blockSize, tokens - block * blockSize)
      return sum + queries * blockSize * older[block].count
        + (own[block] ? queries * (queries + 1) / 2 : queries)
    }
  }
}

/// What the heads of a layer attend to in a prompt, block by block: chosen at the first block of
/// queries, dropped after the last.
public struct BlockChoice: StrategyState {
  /// By query head; empty where all attend to the same.
  var heads: [BlockSelection] = []
  /// What every query attends to where there are no blocks.
  var uniform: Selection = .everything

  /// Gone when the prompt has been attended.
  public var cacheBytes: Int { 0 }

  /// The selections of one block of queries.
  mutating func select(
    _ layer: LayerView, _ queries: Range<Int>, blockSize: Int,
    into selections: inout HeadSelections, choosing choose: () -> BlockChoice
  ) {
    if queries.lowerBound == layer.firstQueryPosition { self = choose() }
    for head in 0..<selections.count {
      selections[head] =
        heads.isEmpty ? uniform : heads[head].selection(queries.lowerBound / blockSize)
    }
    if queries.upperBound > layer.newestQuery { self = BlockChoice() }
  }
}
