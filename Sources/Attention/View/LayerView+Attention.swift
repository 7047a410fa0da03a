import Kernels
import Tensors

/// Exact attention of some queries: rows of the softmax, their sums and means.
extension LayerView {
  /// The softmax of one query over the held keys that it can see (one weight per slot).
  ///
  /// - Parameter position: of a query of this step; by default the newest.
  public func softmaxRow(ofHead head: Int, at position: Int? = nil) -> [Float] {
    let position = position ?? newestQuery
    let cache = heads[shape.kvHead(of: head)]
    let visible = cache.slot(atOrAfter: position + 1)
    var row = [Float](repeating: 0, count: visible)
    AttentionWeights.softmax(
      query: query(head: head, at: position), cache: cache, visible: visible, into: &row)
    return row
  }

  /// The mean of the softmax rows of the last `count` queries, or of as many as there are, over all
  /// keys held.
  public func meanSoftmaxRow(ofHead head: Int, lastQueries count: Int) -> [Float] {
    if phase == .decode {
      // The cache may have gaps, so each query says what it sees.
      let positions = queryPositions.suffix(count)
      var mean = [Float](repeating: 0, count: heads[shape.kvHead(of: head)].count)
      let share = 1 / Float(positions.count)
      for position in positions {
        let row = softmaxRow(ofHead: head, at: position)
        for slot in row.indices { mean[slot] += row[slot] * share }
      }
      return mean
    }
    var row = [Float](repeating: 0, count: keys(of: head).count)
    AttentionWeights.meanSoftmax(
      queries: queries, firstPosition: firstQueryPosition, columns: columns(of: head),
      count: count, newest: newestQuery, keys: keys(of: head), into: &row)
    return row
  }

  /// The mean of one row per query head, over the query heads of a group, which read the same KV
  /// head.
  public func mean(over heads: Range<Int>, _ row: (_ head: Int) -> [Float]) -> [Float] {
    var sum = row(heads.lowerBound)
    guard heads.count > 1 else { return sum }
    for head in heads.dropFirst() {
      let row = row(head)
      for index in sum.indices { sum[index] += row[index] }
    }
    let share = 1 / Float(heads.count)
    for index in sum.indices { sum[index] *= share }
    return sum
  }

  /// The attention that each key of a prompt receives from all its queries together (tokens).
  public func columnSums(ofHead head: Int) -> [Double] {
    retainedMass(ofHead: head, window: .everything, choices: []).columnSums
  }

  /// The attention mass that each query of a prompt keeps under each of several choices of keys.
  public func retainedMass(
    ofHead head: Int, window: LocalWindow, choices: [Selection]
  ) -> RetainedMass {
    RetainedMass(
      queries: queries, columns: columns(of: head), keys: keys(of: head), window: window,
      choices: choices)
  }

  /// The attention that each key of a prompt receives from the queries at `positions`, summed over
  /// the query heads of a group (tokens).
  ///
  /// - Parameter window: a query does not count towards the keys in it; nil counts every key.
  public func sampledMass(
    ofHeads heads: Range<Int>, at positions: [Int], outside window: LocalWindow?
  ) -> [Float] {
    var mass = [Float](repeating: 0, count: self.heads[shape.kvHead(of: heads.lowerBound)].count)
    for head in heads {
      SampledMass.add(
        queries: queries, columns: columns(of: head), positions: positions,
        keys: keys(of: head), window: window, into: &mass)
    }
    return mass
  }

  /// The attention of a prompt's last queries, added up by key and by distance.
  public func observedAttention(ofHead head: Int, lastQueries count: Int) -> ObservedAttention {
    ObservedAttention(
      ofLast: count, queries: queries, head: columns(of: head), keys: keys(of: head))
  }

  /// Calls `body` with the causal softmax rows of a prompt's queries, block by block of `size`
  /// queries: the rows are `stride` apart.
  public func forEachBlockOfRows(
    ofHead head: Int, size: Int, from firstBlock: Int = 0,
    _ body: (_ block: Int, _ rows: Range<Int>, _ weights: Span<Float>, _ stride: Int) -> Void
  ) {
    let tokens = queryCount
    let stride = (tokens + 15) / 16 * 16
    var weights = [Float](repeating: 0, count: min(size, tokens) * stride)
    for block in firstBlock..<(tokens + size - 1) / size {
      let rows = block * size..<min((block + 1) * size, tokens)
      AttentionWeights.causalRows(
        rows, queries: queries, columns: columns(of: head), keys: keys(of: head), into: &weights,
        stride: stride)
      body(block, rows, weights.span, stride)
    }
  }
}
