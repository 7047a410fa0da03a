import Attention
import Tensors

/// Which keys each query attended to, worked out position by position from recorded decisions.
struct AttendedKeys {
  /// True if `selection` shows `position` to the query, by its definition rather than by `Selection`'s own search.
  static func shows(_ selection: Selection, position: Int, query: Int) -> Bool {
    guard position <= query else { return false }
    let window = selection.window
    let reach =
      window.width >= query ? 0 : query / window.alignment * window.alignment - window.width
    return position >= reach || selection.runs.contains { $0.contains(position) }
  }

  /// The keys of every query: by layer, query position and query head, ascending.
  let keys: [[[[Int]]]]
  /// Those that were held in fewer bits then, in the cold tier or where they were: by layer, query position and KV head.
  let inFewerBits: [[[Set<Int>]]]

  init(_ decisions: [RecordedDecision], shape: AttentionShape, tokens: Int) {
    var keys = Array(
      repeating: Array(repeating: [[Int]](repeating: [], count: shape.queryHeads), count: tokens),
      count: shape.layers)
    var inFewerBits = Array(
      repeating: Array(repeating: [Set<Int>](repeating: [], count: shape.kvHeads), count: tokens),
      count: shape.layers)
    for decision in decisions {
      guard case .attending(let queries) = decision.purpose else { continue }
      let tiers = zip(decision.cold, decision.coarse).map { Set($0 + $1) }
      for query in queries {
        inFewerBits[decision.layer][query] = tiers
        for head in 0..<shape.queryHeads {
          let selection = decision.selections[head]
          keys[decision.layer][query][head] = decision.held[shape.kvHead(of: head)].filter {
            Self.shows(selection, position: $0, query: query)
          }
        }
      }
    }
    self.keys = keys
    self.inFewerBits = inFewerBits
  }
}
