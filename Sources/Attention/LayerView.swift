import Tensors

/// What a strategy is shown of one layer: the queries of this step and everything the cache holds.
///
/// Queries and keys are rotated where the model has rotary positions.
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

  public init(
    layer: Int, shape: AttentionShape, phase: AttentionPhase, queries: Matrix,
    firstQueryPosition: Int, heads: [KVHead]
  ) {
    self.layer = layer
    self.shape = shape
    self.phase = phase
    self.queries = queries
    self.firstQueryPosition = firstQueryPosition
    self.heads = heads
  }

  /// What sets this layer's attention apart from that of others.
  public var geometry: LayerGeometry { shape.geometry[layer] }

  /// The positions of this step's queries.
  public var queryPositions: Range<Int> {
    firstQueryPosition..<firstQueryPosition + queries.rows
  }

  /// The position of the newest query.
  public var newestQuery: Int { firstQueryPosition + queries.rows - 1 }

  /// The query of one head at a token position (headDimension).
  @_lifetime(borrow self)
  public func query(head: Int, at position: Int) -> Span<Float> {
    let d = shape.headDimension
    return queries.row(position - firstQueryPosition).extracting(head * d..<(head + 1) * d)
  }
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

  mutating func reset() {
    for head in selections.indices { selections[head] = .everything }
  }
}
