import Kernels
import Tensors
import Threads

/// The cache of one KV head, for strategies, which do not import kernels.
public typealias HeadCache = KVHead

/// What a strategy is shown of one layer: the queries of this step and everything that the cache
/// holds.
///
/// A strategy asks it questions (softmax rows, column sums, norms, block means …) through the
/// extensions in this folder, which answer with the kernels: nothing in a strategy depends on where
/// memory is. Queries and keys are rotated where the model has rotary positions.
public struct LayerView {
  public let layer: Int
  public let shape: AttentionShape
  public let phase: AttentionPhase
  /// (queries x queryHeads·headDimension): head h takes columns h·d ..< (h+1)·d.
  public let queries: Matrix
  /// The token position of row 0 of `queries`.
  public let firstQueryPosition: Int
  /// The cache, one entry per KV head; it holds this step's tokens already.
  public let heads: [KVHead]
  public let workspace: Workspace

  public init(
    layer: Int, shape: AttentionShape, phase: AttentionPhase, queries: Matrix,
    firstQueryPosition: Int, heads: [KVHead], workspace: Workspace
  ) {
    self.layer = layer
    self.shape = shape
    self.phase = phase
    self.queries = queries
    self.firstQueryPosition = firstQueryPosition
    self.heads = heads
    self.workspace = workspace
  }

  /// How the cache holds keys and values.
  public var cacheFormat: CacheFormat { heads[0].format }

  /// How this layer's attention differs from that of others.
  public var geometry: LayerGeometry { shape.geometry[layer] }

  /// The positions of this step's queries.
  public var queryPositions: Range<Int> {
    firstQueryPosition..<firstQueryPosition + queries.rows
  }

  /// The position of the newest query.
  public var newestQuery: Int { firstQueryPosition + queries.rows - 1 }

  /// Queries of this step; of a prompt, all of its tokens.
  public var queryCount: Int { queries.rows }

  /// The values of `count` pieces of work, in their order, worked out on all threads.
  public func concurrently<Value: Sendable>(
    _ count: Int, _ value: (_ piece: Int) -> Value
  ) -> [Value] { workspace.workers.map(count: count, value) }

  /// One value for each KV head, in their order, worked out on all threads.
  public func forEachKVHead<Value: Sendable>(_ value: (_ kvHead: Int) -> Value) -> [Value] {
    concurrently(shape.kvHeads, value)
  }

  /// One value for each query head, in their order, worked out on all threads.
  public func forEachQueryHead<Value: Sendable>(_ value: (_ queryHead: Int) -> Value) -> [Value] {
    concurrently(shape.queryHeads, value)
  }

  /// Reports that a strategy broke its contract: the sequence goes on, but its results are
  /// discarded for this reason.
  public func report(_ fault: String) { workspace.report(fault) }

  /// The query of one head at a token position (headDimension).
  @_lifetime(borrow self)
  public func query(head: Int, at position: Int) -> Span<Float> {
    queries.row(position - firstQueryPosition).extracting(columns(of: head))
  }

  /// The columns of `queries` that belong to a query head.
  public func columns(of head: Int) -> Range<Int> {
    head * shape.headDimension..<(head + 1) * shape.headDimension
  }

  /// The keys that a query head reads; decoded where the cache's format is another than float32.
  public func keys(of head: Int) -> Rows { heads[shape.kvHead(of: head)].keys }
}

public enum AttentionPhase: String, Sendable, Hashable, CaseIterable {
  case prefill, decode
}

/// One selection per head: per query head for attending, per KV head for retention.
public struct HeadSelections: Sendable, Hashable {
  public var selections: [Selection]

  /// Every head keeps everything.
  public init(heads: Int) { selections = [Selection](repeating: .everything, count: heads) }

  public var count: Int { selections.count }

  public subscript(head: Int) -> Selection {
    get { selections[head] }
    _modify { yield &selections[head] }
  }

  /// The same for all heads.
  public mutating func fill(with selection: Selection) {
    for head in selections.indices { selections[head] = selection }
  }
}

extension Selection {
  /// The positions in `range` that are wanted, as runs; no window beyond the current token.
  init(positions range: Range<Int>, where isWanted: (Int) -> Bool) {
    self.init()
    var position = range.lowerBound
    while position < range.upperBound {
      guard isWanted(position) else {
        position += 1
        continue
      }
      let start = position
      while position < range.upperBound, isWanted(position) { position += 1 }
      keep(start..<position)
    }
  }

  /// The tokens in some slots of a cache, those that are wanted.
  init(slots: Range<Int>, of head: KVHead, where isWanted: (Int) -> Bool = { _ in true }) {
    self.init()
    for slot in slots where isWanted(slot) { keep(head.position(ofSlot: slot)) }
  }

  /// The first tokens and the most recent ones, the query's own included.
  static func firstAndRecent(_ first: Int, _ recent: Int) -> Selection {
    var selection = Selection(window: LocalWindow(width: recent - 1))
    selection.keep(0..<first)
    return selection
  }
}

extension [Selection] {
  /// Bytes of the runs: what a strategy that keeps selections holds for cached tokens.
  public var heldBytes: Int {
    reduce(0) { $0 + $1.runs.count * MemoryLayout<Range<Int>>.size }
  }
}
