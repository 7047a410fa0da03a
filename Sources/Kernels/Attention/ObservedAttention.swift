import Tensors

/// The attention of a prompt's last queries, summed by key and by distance: what sparse prefill
/// methods estimate from.
///
/// With A the causal softmax rows of one head's last queries, at positions i in O:
///
///     columns_j = Σ_{i in O} A_ij,   distances_δ = Σ_{i in O, i ≥ δ} A_{i, i−δ}
///
/// Sums are in Float, in the order of the queries.
public struct ObservedAttention: Sendable {
  /// The number of queries that were observed.
  public let queryCount: Int
  /// By key position (tokens).
  public private(set) var columns: [Float]
  /// By the distance of a key behind its query (tokens); distance 0 is the query's own key.
  public private(set) var distances: [Float]

  /// Rows that are computed at a time.
  private static let tileRows = 32

  /// - Parameters:
  ///   - count: the number of last queries, at least 1; all of them if there are fewer.
  ///   - queries: (tokens x any columns), the head's at `head`; row i is the query at position i.
  ///   - keys: (at least tokens x headDimension), key j at position j.
  public init(ofLast count: Int, queries: Matrix, head: Range<Int>, keys: Rows) {
    let tokens = queries.rows
    precondition(
      tokens > 0 && count > 0, "ObservedAttention: \(count) of \(tokens) queries")
    queryCount = min(count, tokens)
    columns = [Float](repeating: 0, count: tokens)
    let stride = (tokens + 15) / 16 * 16
    // By distance from the newest token, so that a query's keys and their sums lie in the same
    // order.
    var diagonals = [Float](repeating: 0, count: tokens)
    var weights = [Float](repeating: 0, count: min(Self.tileRows, queryCount) * stride)
    for first in Swift.stride(from: tokens - queryCount, to: tokens, by: Self.tileRows) {
      let rows = first..<min(first + Self.tileRows, tokens)
      AttentionWeights.causalRows(
        rows, queries: queries, columns: head, keys: keys, into: &weights, stride: stride)
      for (row, query) in rows.enumerated() {
        let line = weights.span.extracting(row * stride..<row * stride + query + 1)
        Self.add(line, to: &columns, from: 0)
        Self.add(line, to: &diagonals, from: tokens - 1 - query)
      }
    }
    distances = diagonals.reversed()
  }

  private static func add(_ line: Span<Float>, to sums: inout [Float], from first: Int) {
    var target = sums.mutableSpan
    for index in 0..<line.count { target[first + index] += line[index] }
  }
}
