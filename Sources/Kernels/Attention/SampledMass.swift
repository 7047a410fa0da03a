import Tensors

/// How much attention a sample of a prompt's queries pays to each key: an importance that does not
/// depend on a single query.
public enum SampledMass {
  /// Queries whose rows are made at once.
  private static let tileRows = 16

  /// Adds to `mass[j]` the softmax weights, over all keys that a query sees, that the queries at
  /// `positions` of one head give to key j; of a query with a window only those of keys before it.
  ///
  /// - Parameters:
  ///   - queries: (n x any columns), the head's columns at `columns`; row i is the query at
  ///     position i.
  ///   - positions: ascending rows of `queries`.
  ///   - keys: (at least n x d), key j at position j.
  ///   - window: keys inside a query's window get no weight from it; nil counts every key.
  ///   - mass: at least as many as the last query sees.
  public static func add(
    queries: Matrix, columns: Range<Int>, positions: [Int], keys: Rows, window: LocalWindow?,
    into mass: inout [Float]
  ) {
    guard let newest = positions.last else { return }
    let d = keys.width
    precondition(
      columns.count == d && columns.upperBound <= queries.columns && newest < queries.rows
        && newest < keys.count && newest < mass.count,
      """
      SampledMass: queries \(queries.rows) x \(queries.columns), columns \(columns), newest \
      \(newest), keys \(keys.count) x \(d), \(mass.count) masses
      """)
    let stride = (newest + 16) / 16 * 16
    var rows = [Float](repeating: 0, count: tileRows * d)
    var weights = [Float](repeating: 0, count: tileRows * stride)
    rows.withUnsafeMutableBufferPointer { rows in
      weights.withUnsafeMutableBufferPointer { weights in
        mass.withUnsafeMutableBufferPointer { mass in
          // None is empty: there is a position.
          let (rows, weights) = (rows.baseAddress!, weights.baseAddress!)
          for first in Swift.stride(from: 0, to: positions.count, by: tileRows) {
            let tile = positions[first..<min(first + tileRows, positions.count)]
            for (row, position) in tile.enumerated() {
              let query = queries.row(position)
              for i in 0..<d { rows[row * d + i] = query[columns.lowerBound + i] }
            }
            keys.elements.withUnsafeBufferPointer { key in
              BLAS.sgemm(
                transposeB: true, m: tile.count, n: tile[tile.endIndex - 1] + 1, k: d,
                alpha: BinaryLogits.factor(scale: keys.scale), rows, lda: d,
                key.baseAddress! + keys.firstElement, ldb: d, weights, ldc: stride)
            }
            for (row, position) in tile.enumerated() {
              let end = window?.start(forQuery: position) ?? position + 1
              guard end > 0 else { continue }
              let line = weights + row * stride
              AttentionWeights.softmax(ofLogits: line, count: position + 1)
              add(line, count: end, to: mass.baseAddress!)
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func add(
    _ line: UnsafePointer<Float>, count: Int, to mass: UnsafeMutablePointer<Float>
  ) {
    var i = 0
    while i &+ 16 <= count {
      storeVector(loadVector(mass + i) + loadVector(line + i), at: mass + i)
      i &+= 16
    }
    while i < count {
      mass[i] += line[i]
      i &+= 1
    }
  }
}
