/// The heads of a model's attention, and the geometry of each layer.
///
/// Query head `h` reads KV head `h / queryHeadsPerKVHead` (grouped-query attention).
public struct AttentionShape: Sendable, Hashable {
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDimension: Int
  /// By layer.
  public var geometry: [LayerGeometry]

  /// Traps unless every count is positive and `queryHeads` is a multiple of `kvHeads`.
  public init(queryHeads: Int, kvHeads: Int, headDimension: Int, geometry: [LayerGeometry]) {
    precondition(
      !geometry.isEmpty && queryHeads > 0 && kvHeads > 0 && headDimension > 0
        && queryHeads % kvHeads == 0,
      """
      AttentionShape: \(geometry.count) layers, \(queryHeads) query heads, \(kvHeads) KV heads, \
      d \(headDimension)
      """)
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDimension = headDimension
    self.geometry = geometry
  }

  /// Layers that are all alike: one rotary embedding, the usual scale, no window.
  public init(
    layers: Int, queryHeads: Int, kvHeads: Int, headDimension: Int, rotary: RotaryEmbedding? = nil
  ) {
    let geometry = LayerGeometry(headDimension: headDimension, rotary: rotary)
    self.init(
      queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension,
      geometry: Array(repeating: geometry, count: layers))
  }

  public var layers: Int { geometry.count }

  /// Whether positions are rotated into the queries and keys of any layer.
  public var isRotated: Bool { geometry.contains { $0.rotary != nil } }

  /// The layers that attend to everything before a query, ascending: those that strategies act on.
  public var globalLayers: [Int] { geometry.indices.filter { geometry[$0].window == nil } }

  /// What strategies see of the model: its global layers alone, counted from 0. Traps where there
  /// is none.
  public var global: AttentionShape {
    let layers = globalLayers
    guard layers.count < geometry.count else { return self }
    return AttentionShape(
      queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension,
      geometry: layers.map { geometry[$0] })
  }

  public var queryHeadsPerKVHead: Int { queryHeads / kvHeads }

  /// Bytes of the keys and values of one token in all heads of all layers; of formats that change with age those of a
  /// token that is quantised.
  public func tokenBytes(in cache: CacheFormat) -> Int {
    layers * kvHeads * cache.tokenBytes(headDimension: headDimension)
  }

  /// Columns of the queries and of the attention output of all heads.
  public var queryColumns: Int { queryHeads * headDimension }

  /// Columns of the keys, and of the values, of all KV heads.
  public var keyColumns: Int { kvHeads * headDimension }

  /// The query heads that read a KV head.
  public func queryHeads(of kvHead: Int) -> Range<Int> {
    kvHead * queryHeadsPerKVHead..<(kvHead + 1) * queryHeadsPerKVHead
  }

  public func kvHead(of queryHead: Int) -> Int { queryHead / queryHeadsPerKVHead }
}
