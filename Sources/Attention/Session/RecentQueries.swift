import Tensors

/// The newest queries of a layer, as many as a retention in decode looks at.
struct RecentQueries {
  let capacity: Int
  private var columns = 0
  /// (at most capacity x columns), the oldest at `next` once it is full.
  private var elements: [Float] = []
  private var next = 0

  /// - Parameter capacity: at least 1.
  init(capacity: Int) { self.capacity = max(1, capacity) }

  private var count: Int { columns == 0 ? 0 : elements.count / columns }

  /// What it holds beyond the newest query, which every retention is shown.
  var bytes: Int { max(0, count - 1) * columns * MemoryLayout<Float>.size }

  /// Adds the last of some queries, up to `capacity`.
  mutating func append(_ queries: Matrix) {
    columns = queries.columns
    for row in max(0, queries.rows - capacity)..<queries.rows {
      let query = queries.elements[row * columns..<(row + 1) * columns]
      if count < capacity {
        elements += query
      } else {
        elements.replaceSubrange(next * columns..<(next + 1) * columns, with: query)
        next = (next + 1) % capacity
      }
    }
  }

  /// In the order of their tokens; nil before any.
  var inOrder: Matrix? {
    guard count > 0 else { return nil }
    return Matrix(
      rows: count, columns: columns,
      elements: Array(elements[(next * columns)...] + elements[..<(next * columns)]))
  }
}
