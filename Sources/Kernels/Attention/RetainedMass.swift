import Tensors

/// The attention mass that the queries of one head retain under several choices of keys: the
/// criterion of calibration.
///
/// Of the dense softmax row A_i of query i, choice c keeps
///
///     m_c(i) = Σ_{j < E(i), j in c} A_ij + Σ_{E(i) ≤ j ≤ i} A_ij
///     E(i) = window.start(forQuery: i)
///
/// Rows come in tiles of queries that share E(i), so no (n x n) matrix exists. Sums are in Float
/// with 16 lanes, over many tiles in Double: masses are good to about 1e-6.
public struct RetainedMass {
  /// Queries of a tile at most, whole eights: its rows of some thousand keys stay near the core.
  static let tileRows = 64
  private static let lanes = 16

  /// Σ_i A_ij of each key j over all queries that see it.
  public private(set) var columnSums: [Double]
  /// m_c(i), (choices x queries) row-major.
  private var masses: [Float]
  private let tokens: Int

  /// - Parameters:
  ///   - queries: (n x any columns), the head's columns at `columns`; row i is the query at
  ///     position i.
  ///   - keys: (at least n x d), key j at position j.
  ///   - window: what every query attends to in any case.
  ///   - choices: of the keys before a query's window; only their runs count.
  public init(
    queries: Matrix, columns: Range<Int>, keys: Rows, window: LocalWindow, choices: [Selection]
  ) {
    tokens = queries.rows
    precondition(
      tokens > 0 && keys.count >= tokens && keys.width == columns.count
        && columns.upperBound <= queries.columns,
      """
      RetainedMass: queries \(tokens) x \(queries.columns), columns \(columns), keys \(keys.count) \
      x \(keys.width)
      """)
    masses = [Float](repeating: 1, count: choices.count * tokens)
    columnSums = [Double](repeating: 0, count: tokens)
    let groups = Self.indicators(choices, keys: window.start(forQuery: tokens - 1))
    // Rows end at whole vectors.
    let stride = (tokens + Self.lanes - 1) / Self.lanes * Self.lanes
    var tile = [Float](repeating: 0, count: Self.tileRows * stride)
    tile.withUnsafeMutableBufferPointer { tile in
      let tile = Tile(weights: tile.baseAddress!, stride: stride)  // not empty: tokens > 0
      var first = 0
      while first < tokens {
        let start = window.start(forQuery: first)
        var end = first + 1
        while end < tokens, end - first < Self.tileRows, window.start(forQuery: end) == start {
          end += 1
        }
        tile.attend(first..<end, queries: queries, columns: columns, keys: keys)
        tile.addColumns(first..<end, into: &columnSums)
        if start > 0 {
          measure(first..<end, windowStart: start, tile, groups: groups, choices: choices.count)
        }
        first = end
      }
    }
  }

  /// m_c of every query for one choice.
  public func masses(ofChoice choice: Int) -> ArraySlice<Float> {
    masses[choice * tokens..<(choice + 1) * tokens]
  }

  /// For each 16 choices, 1 where a choice holds a key and else 0, (keys x 16).
  private static func indicators(_ choices: [Selection], keys: Int) -> [[Float]] {
    stride(from: 0, to: choices.count, by: lanes).map { first in
      var group = [Float](repeating: 0, count: keys * lanes)
      for (lane, choice) in choices.dropFirst(first).prefix(lanes).enumerated() {
        for run in choice.runs where run.lowerBound < keys {
          for key in run.lowerBound..<min(run.upperBound, keys) { group[key * lanes + lane] = 1 }
        }
      }
      return group
    }
  }

  private mutating func measure(
    _ rows: Range<Int>, windowStart: Int, _ tile: Tile, groups: [[Float]], choices: Int
  ) {
    let window = rows.enumerated().map { row, query in
      tile.sum(row: row, from: windowStart, through: query)
    }
    var products = [Float](repeating: 0, count: Self.tileRows * Self.lanes)
    for (group, indicators) in groups.enumerated() {
      products.withUnsafeMutableBufferPointer { products in
        indicators.withUnsafeBufferPointer { indicators in
          // Neither is empty: there are a key and a choice.
          tile.multiply(
            indicators.baseAddress!, keys: windowStart, rows: rows.count,
            into: products.baseAddress!)
        }
      }
      for choice in group * Self.lanes..<min((group + 1) * Self.lanes, choices) {
        for (row, query) in rows.enumerated() {
          masses[choice * tokens + query] =
            window[row] + products[row * Self.lanes + choice % Self.lanes]
        }
      }
    }
  }
}

/// The attention of consecutive queries, a row for each over the keys from 0 on, in the caller's
/// memory.
private struct Tile {
  let weights: UnsafeMutablePointer<Float>
  let stride: Int

  /// Softmax rows of `rows`; keys after a query, up to a whole vector, get 0.
  func attend(_ rows: Range<Int>, queries: Matrix, columns: Range<Int>, keys: Rows) {
    AttentionWeights.causalRows(
      rows, queries: queries, columns: columns, keys: keys, into: weights, stride: stride)
  }

  func addColumns(_ rows: Range<Int>, into sums: inout [Double]) {
    var j = 0
    while j < rows.upperBound {
      var total = SIMD16<Float>.zero
      for row in 0..<rows.count { total += loadVector(weights + row * stride + j) }
      for lane in 0..<min(16, rows.upperBound - j) { sums[j + lane] += Double(total[lane]) }
      j += 16
    }
  }

  func sum(row: Int, from first: Int, through last: Int) -> Float {
    let line = weights + row * stride
    var total = SIMD16<Float>.zero
    var j = first
    while j + 15 <= last {
      total += loadVector(line + j)
      j += 16
    }
    var sum = total.laneSum
    while j <= last {
      sum += line[j]
      j += 1
    }
    return sum
  }

  /// Σ_{j < keys} A_rj indicators_j of each row r, sixteen choices at once, (rows x 16); whole
  /// eights of rows are computed.
  func multiply(
    _ indicators: UnsafePointer<Float>, keys: Int, rows: Int,
    into products: UnsafeMutablePointer<Float>
  ) {
    for row in Swift.stride(from: 0, to: rows, by: 8) {
      var block = RegisterTile<8, 1>()
      block.addProduct(
        weights + row * stride, strideA: stride, indicators, strideB: 16, depth: keys)
      block.store(at: products + row * 16, stride: 16)
    }
  }
}
