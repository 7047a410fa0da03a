import Tensors

/// How much attention mass the queries of one head keep under several selections at once: what calibration asks for.
///
/// Query i sees keys 0…i. Of its dense softmax row A_i, selection c keeps
///
///     m_c(i) = Σ_{j < E(i), j in c} A_ij + Σ_{E(i) ≤ j ≤ i} A_ij,   E(i) = window.start(forQuery: i)
///
/// Rows come in tiles of queries that share E(i), and the product of a tile with the selections' 0/1 columns is one
/// sgemm, so no (n x n) matrix exists. A float32 row sums to 1 within 1e-6.
public struct RetainedMass {
  /// Queries of a tile at most.
  static let tileRows = 128

  /// m_c(i), (selections x queries) row-major.
  public private(set) var masses: [Float]
  /// Σ_i A_ij of each key j over all queries that see it.
  public private(set) var columnSums: [Double]
  private var logits: [Float] = []
  private var products: [Float] = []

  /// - Parameters:
  ///   - queries: (n x any columns), the head's columns at `columns`; row i is the query at position i.
  ///   - keys: (n x d), key j at position j.
  ///   - window: what every query sees in any case.
  ///   - kept: (keys x selections) row-major, 1 where a selection holds the key, else 0; at least as many keys as
  ///     the last query's E.
  public init(
    queries: Matrix, columns: Range<Int>, keys: Rows, window: LocalWindow, kept: Matrix
  ) {
    let n = queries.rows
    precondition(
      keys.count >= n && keys.width == columns.count && columns.upperBound <= queries.columns
        && n > 0 && kept.rows >= window.start(forQuery: n - 1),
      "RetainedMass: queries \(n) x \(queries.columns), keys \(keys.count) x \(keys.width), columns \(columns), \(kept.rows) rows of selections"
    )
    masses = [Float](repeating: 0, count: kept.columns * n)
    columnSums = [Double](repeating: 0, count: n)
    logits = [Float](repeating: 0, count: Self.tileRows * n)
    products = [Float](repeating: 0, count: Self.tileRows * kept.columns)
    var first = 0
    while first < n {
      let start = window.start(forQuery: first)
      var end = first + 1
      while end < n, end - first < Self.tileRows, window.start(forQuery: end) == start { end += 1 }
      observe(
        first..<end, windowStart: start, queries: queries, columns: columns, keys: keys, kept: kept)
      first = end
    }
  }

  private mutating func observe(
    _ rows: Range<Int>, windowStart: Int, queries: Matrix, columns: Range<Int>, keys: Rows,
    kept: Matrix
  ) {
    let n = queries.rows
    let visible = rows.upperBound
    let d = keys.width
    let selections = kept.columns
    logits.withUnsafeMutableBufferPointer { logits in
      queries.elements.withUnsafeBufferPointer { queries in
        keys.elements.withUnsafeBufferPointer { keyElements in
          BLAS.sgemm(
            transposeB: true, m: rows.count, n: visible, k: d,
            alpha: 1.442_695_04 / Float(d).squareRoot(),
            queries.baseAddress! + rows.lowerBound * (queries.count / n) + columns.lowerBound,
            lda: queries.count / n, keyElements.baseAddress! + keys.firstElement, ldb: d,
            logits.baseAddress!, ldc: n)
        }
      }
      let base = logits.baseAddress!
      for (index, query) in rows.enumerated() {
        let row = base + index * n
        AttentionWeights.softmax(ofLogits: row, count: query + 1)
        for j in query + 1..<max(visible, query + 1) { row[j] = 0 }
        columnSums.withUnsafeMutableBufferPointer { sums in
          for j in 0...query { sums[j] += Double(row[j]) }
        }
      }
      guard windowStart > 0 else {
        for selection in 0..<selections {
          for query in rows { masses[selection * n + query] = 1 }
        }
        return
      }
      products.withUnsafeMutableBufferPointer { products in
        kept.elements.withUnsafeBufferPointer { kept in
          BLAS.sgemm(
            m: rows.count, n: selections, k: windowStart, base, lda: n, kept.baseAddress!,
            ldb: selections, products.baseAddress!, ldc: selections)
        }
        for (index, query) in rows.enumerated() {
          let row = base + index * n
          var inWindow: Float = 0
          for j in windowStart...query { inWindow += row[j] }
          for selection in 0..<selections {
            masses[selection * n + query] = inWindow + products[index * selections + selection]
          }
        }
      }
    }
  }
}
