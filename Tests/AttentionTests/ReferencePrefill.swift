import Foundation
import LabTestSupport

/// MInference, FlexPrefill and XAttention in double precision, from whole matrices, full sorts and loops over all pairs:
/// which keys each query attends to.
///
/// Shares no code with the strategies. One query head of a `ReferenceAttention`.
struct ReferencePrefill {
  let attention: ReferenceAttention
  let head: Int

  var tokens: Int { attention.queries.rows }

  /// Softmax row of one query, zeros behind it.
  func row(_ query: Int) -> [Double] {
    let logits = (0...query).map { attention.logit(head: head, query: query, key: $0) }
    return softmax(logits) + [Double](repeating: 0, count: tokens - query - 1)
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let maximum = logits.max() ?? 0
    let weights = logits.map { exp($0 - maximum) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  /// Indices by falling score; equal ones by index.
  private func order(_ scores: [Double]) -> [Int] {
    scores.indices.sorted { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
  }

  /// Sums over the last queries by key, and by distance.
  func observed(_ last: Int) -> (columns: [Double], distances: [Double]) {
    var columns = [Double](repeating: 0, count: tokens)
    var distances = columns
    for query in max(0, tokens - last)..<tokens {
      for (key, weight) in row(query).enumerated() where key <= query {
        columns[key] += weight
        distances[query - key] += weight
      }
    }
    return (columns, distances)
  }

  // MARK: MInference

  /// For each query, the keys of some columns and diagonals as the repository's index kernel finds them.
  func verticalSlash(verticals: Int, slashes: Int, lastQueries: Int, blockSize: Int) -> [Set<Int>] {
    var (columns, distances) = observed(lastQueries)
    for key in 0..<min(30, tokens) { columns[key] = .infinity }
    for distance in 0..<min(100, tokens) { distances[distance] = .infinity }
    let kept = Set(order(columns).prefix(verticals))
    let slashes = order(distances).prefix(slashes).sorted(by: >)
    return (0..<tokens).map { query in
      let end = (query / blockSize + 1) * blockSize
      var ranges: [Range<Int>] = []
      for slash in slashes where slash < end {
        let stop = max(end - slash, blockSize)
        guard let last = ranges.last else {
          ranges = [stop - blockSize..<stop]
          continue
        }
        if stop > last.upperBound + blockSize {
          ranges.append(stop - blockSize..<stop)
        } else if stop > last.upperBound {
          ranges[ranges.count - 1] = last.lowerBound..<last.upperBound + blockSize
        }
      }
      return Set(
        (0...query).filter { key in
          key == query || kept.contains(key) || ranges.contains { $0.contains(key) }
        })
    }
  }

  /// For each query, the keys of the blocks whose means have the largest products.
  func blockSparse(topBlocks: Int, blockSize: Int) -> [Set<Int>] {
    let blocks = (tokens + blockSize - 1) / blockSize
    let queries = (0..<blocks).map { queryMean($0, blockSize, divisor: blockSize) }
    let keys = (0..<blocks).map { keyMean($0, blockSize, divisor: blockSize) }
    let chosen = (0..<blocks).map { block in
      Set(order((0...block).map { product(queries[block], keys[$0]) }).prefix(topBlocks))
    }
    return attended(blockSize) { chosen[$0].contains($1) }
  }

  private func attended(_ blockSize: Int, _ shows: (Int, Int) -> Bool) -> [Set<Int>] {
    (0..<tokens).map { query in
      Set((0...query).filter { $0 == query || shows(query / blockSize, $0 / blockSize) })
    }
  }

  private func product(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private func queryMean(_ block: Int, _ size: Int, divisor: Int? = nil) -> [Double] {
    mean(block * size..<min((block + 1) * size, tokens), divisor) { query($0) }
  }

  private func keyMean(_ block: Int, _ size: Int, divisor: Int? = nil) -> [Double] {
    mean(block * size..<min((block + 1) * size, tokens), divisor) { key($0) }
  }

  private func mean(
    _ tokens: Range<Int>, _ divisor: Int?, _ vector: (Int) -> [Double]
  ) -> [Double] {
    var sum = [Double](repeating: 0, count: attention.shape.headDimension)
    for token in tokens {
      for (i, value) in vector(token).enumerated() { sum[i] += value }
    }
    return sum.map { $0 / Double(divisor ?? tokens.count) }
  }

  private func query(_ token: Int) -> [Double] {
    let d = attention.shape.headDimension
    return (0..<d).map { Double(attention.queries[token, head * d + $0]) }
  }

  private func key(_ token: Int) -> [Double] {
    let d = attention.shape.headDimension
    let kvHead = attention.shape.kvHead(of: head)
    return (0..<d).map { Double(attention.keys[token, kvHead * d + $0]) }
  }

  // MARK: FlexPrefill

  /// The divergence, and for each query the keys that it attends to.
  func flexPrefill(
    gamma: Double, tau: Double, minBlocks: Int, blockSize b: Int
  ) -> (divergence: Double, attended: [Set<Int>]) {
    let blocks = (tokens + b - 1) / b
    let count = Double(min(b, tokens))
    let (columns, distances) = observed(b)
    func size(_ sums: [Double]) -> Int {
      var total = 0.0
      let covered = sums.sorted(by: >).prefix { value in
        total += value / count
        return total <= gamma
      }
      return min(max((covered.count + 1) / b + 1, minBlocks), blocks)
    }
    var verticals = size(columns)
    var slashes = size(distances)
    var byColumn = [Double](repeating: 0, count: blocks)
    var byDistance = byColumn
    for token in 0..<tokens {
      byColumn[token / b] += columns[token] / count
      byDistance[(tokens - 1 - token) / b] += distances[token] / count
    }
    let root = Double(attention.shape.headDimension).squareRoot()
    let keys = (0..<blocks).map { keyMean($0, b) }
    let last = mean(max(0, tokens - b)..<tokens, nil) { query($0) }
    let estimated = softmax(keys.map { product(last, $0) / root })
    let divergence = zip(estimated, byColumn).reduce(0) { sum, pair in
      let (p, q) = pair
      let m = (p + q) / 2
      return sum + p * log(p / m) / 2 + (q > 0 ? q * log(q / m) / 2 : 0)
    }.squareRoot()
    var cells: Set<Int> = []
    if divergence < tau {
      (verticals, slashes) = (minBlocks, minBlocks)
      var weights = [Double](repeating: 0, count: blocks * blocks)
      for row in 0..<blocks {
        let q = queryMean(row, b)
        for (column, weight) in softmax(
          (0...row).map { product(q, keys[$0]) / root }
        ).enumerated() {
          weights[row * blocks + column] = weight
        }
      }
      var total = 0.0
      for cell in order(weights) {
        total += weights[cell]
        if total <= gamma * Double(blocks) { cells.insert(cell) } else { break }
      }
    }
    byColumn[0] = .infinity
    byDistance[blocks - 1] = .infinity
    let keptColumns = Set(order(byColumn).prefix(verticals))
    let keptDistances = Set(order(byDistance).prefix(slashes).map { blocks - 1 - $0 })
    return (
      divergence,
      attended(b) { row, column in
        keptColumns.contains(column) || keptDistances.contains(row - column)
          || cells.contains(row * blocks + column)
      }
    )
  }

  // MARK: XAttention

  /// Antidiagonal scores by block of queries and block of keys up to it.
  func antidiagonalScores(stride: Int, blockSize: Int) -> [[Double]] {
    let cells = (tokens + stride - 1) / stride
    let blocks = (tokens + blockSize - 1) / blockSize
    var scores = (0..<blocks).map { [Double](repeating: 0, count: $0 + 1) }
    for a in 0..<cells {
      let logits = (0...a).map { b in
        (0..<stride).reduce(0.0) { sum, t in
          let (q, k) = (a * stride + stride - 1 - t, b * stride + t)
          guard q < tokens, k < tokens else { return sum }
          return sum + product(query(q), key(k))
        } / (Double(stride) * Double(attention.shape.headDimension).squareRoot())
      }
      for (b, weight) in softmax(logits).enumerated() {
        scores[a * stride / blockSize][b * stride / blockSize] += weight
      }
    }
    return scores
  }

  /// For each query the keys that it attends to.
  func xAttention(stride: Int, threshold: Double, blockSize: Int) -> [Set<Int>] {
    let chosen = antidiagonalScores(stride: stride, blockSize: blockSize).enumerated().map {
      block, scores in
      var taken: Set = [0, block]
      let total = scores.reduce(0, +)
      for key in order(scores) where !taken.contains(key) {
        if taken.reduce(0, { $0 + scores[$1] }) >= threshold * total { break }
        taken.insert(key)
      }
      return taken
    }
    return attended(blockSize) { chosen[$0].contains($1) }
  }
}
