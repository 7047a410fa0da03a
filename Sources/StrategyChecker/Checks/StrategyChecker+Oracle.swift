import Attention
import Kernels
import Tensors

/// What a strategy retains of each query's attention mass, against the most that as many keys can retain.
extension StrategyChecker {
  /// Query by query and head by head, oracle-top-k is given the number of keys that the strategy attended to.
  func checkOracle(
    _ subject: CheckSubject, _ original: CheckSubject.Original, _ attended: AttendedKeys,
    log: inout CheckLog
  ) {
    // The oracle is shown one cache for all queries.
    guard original.session.logitsAreDense, !subject.checkCase.cache.changesWithAge else { return }
    log.look(at: .oracleRetainsMost)
    let shape = subject.shape
    let sequence = subject.sequence
    for layer in 0..<shape.layers {
      let exact = ExactAttention(subject, layer: layer, rows: subject.rows[layer])
      let view = LayerView(
        layer: layer, shape: shape, phase: .prefill, queries: sequence.queries[layer],
        firstQueryPosition: 0, heads: caches(of: subject, layer: layer),
        workspace: subject.workspace)
      for head in 0..<shape.queryHeads {
        for query in 0..<sequence.tokens {
          let keys = attended.keys[layer][query][head]
          // With all keys there is nothing that an oracle could choose.
          guard keys.count <= query else { continue }
          let best = OracleSelector.select(
            .keys(keys.count), view, head: head, query: query)
          let bestKeys = (0...query).filter {
            AttendedKeys.shows(best, position: $0, query: query)
          }
          let dropped = exact.attend(head: head, query: query, to: keys).droppedMass
          let leastDropped = exact.attend(head: head, query: query, to: bestKeys).droppedMass
          if bestKeys.count != keys.count || !(leastDropped <= dropped + 1e-6) {
            log.fail(
              .oracleRetainsMost,
              "layer \(layer), query head \(head), query \(query): \(keys.count) keys drop \(dropped) of the mass, the oracle's \(bestKeys.count) drop \(leastDropped)"
            )
          }
        }
      }
    }
  }

  /// Caches that hold the whole sequence.
  private func caches(of subject: CheckSubject, layer: Int) -> [KVHead] {
    let sequence = subject.sequence
    let d = sequence.shape.headDimension
    return (0..<sequence.shape.kvHeads).map { kvHead in
      let head = KVHead(
        headDimension: d, scale: sequence.shape.geometry[layer].scale,
        format: subject.checkCase.cache)
      head.append(
        keys: sequence.keys[layer], values: sequence.values[layer], column: kvHead * d,
        firstPosition: 0)
      return head
    }
  }
}
