import Foundation
import Tensors

/// The rotations that undo the rotary embedding of queries.
struct Turns {
  let rotary: RotaryEmbedding
  /// By position and pair.
  private let cosines: [Double]
  private let sines: [Double]

  init(back positions: Range<Int>, _ rotary: RotaryEmbedding) {
    self.rotary = rotary
    var cosines: [Double] = []
    var sines: [Double] = []
    for position in positions {
      for frequency in rotary.frequencies {
        let angle = -Double(position) * frequency
        cosines.append(cos(angle))
        sines.append(sin(angle))
      }
    }
    self.cosines = cosines
    self.sines = sines
  }

  /// - Parameter index: of the position, counted from the first.
  func turn(_ query: inout [Double], at index: Int) {
    let pairs = rotary.frequencies.count
    for pair in 0..<pairs {
      rotary.turn(
        &query, pair: pair, cosine: cosines[index * pairs + pair],
        sine: sines[index * pairs + pair])
    }
  }
}

/// Rows of numbers in double precision, eight side by side: padded with zeros to whole vectors.
private struct DoubleRows {
  let width: Int
  /// Vectors in a row.
  let vectors: Int
  var elements: [SIMD8<Double>] = []

  init(width: Int) {
    self.width = width
    vectors = (width + 7) / 8
  }

  mutating func append(_ row: some Collection<Double>) {
    var vector = SIMD8<Double>.zero
    for (column, value) in row.enumerated() {
      vector[column % 8] = value
      if column % 8 == 7 || column == width - 1 {
        elements.append(vector)
        vector = .zero
      }
    }
  }

  subscript(row: Int, column: Int) -> Double {
    elements[row * vectors + column / 8][column % 8]
  }
}

/// Mean and covariance of a head's queries, in double precision.
struct QueryStatistics {
  var mean: [Double]
  /// (d x d); nil if left out.
  var covariance: [Double]?

  /// Of a prompt's queries at `positions`, before their rotation.
  init(
    _ layer: LayerView, head: Int, at positions: Range<Int>, _ turns: Turns?, withCovariance: Bool
  ) {
    let d = layer.shape.headDimension
    var queries = DoubleRows(width: d)
    queries.elements.reserveCapacity(positions.count * queries.vectors)
    mean = [Double](repeating: 0, count: d)
    var query = mean
    for (row, position) in positions.enumerated() {
      let rotated = layer.query(head: head, at: position)
      for i in 0..<d { query[i] = Double(rotated[i]) }
      turns?.turn(&query, at: row)
      queries.append(query)
      for i in 0..<d { mean[i] += query[i] }
    }
    let share = 1 / Double(positions.count)
    for i in 0..<d { mean[i] *= share }
    guard withCovariance else { return }
    var centre = DoubleRows(width: d)
    centre.append(mean)
    let vectors = queries.vectors
    for row in 0..<positions.count {
      for vector in 0..<vectors {
        queries.elements[row * vectors + vector] -= centre.elements[vector]
      }
    }
    // Symmetric: the upper half, whole vectors at a time, each summed up in a register.
    var sums = [Double](repeating: 0, count: d * d)
    for i in 0..<d {
      for vector in i / 8..<vectors {
        var sum = SIMD8<Double>.zero
        for row in 0..<positions.count {
          sum += queries[row, i] * queries.elements[row * vectors + vector]
        }
        for j in max(i, 8 * vector)..<min(8 * vector + 8, d) {
          sums[i * d + j] = sum[j % 8] * share
          sums[j * d + i] = sums[i * d + j]
        }
      }
    }
    covariance = sums
  }

  /// Rotated by the mean of the rotations of `count` positions from `first` on.
  func turned(to first: Int, count: Int, _ rotary: RotaryEmbedding?) -> QueryStatistics {
    guard let rotary else { return self }
    var result = self
    let d = mean.count
    for (pair, frequency) in rotary.frequencies.enumerated() {
      var cosine = 0.0
      var sine = 0.0
      for position in first..<first + count {
        cosine += cos(Double(position) * frequency)
        sine += sin(Double(position) * frequency)
      }
      cosine /= Double(count)
      sine /= Double(count)
      rotary.turn(&result.mean, pair: pair, cosine: cosine, sine: sine)
      guard result.covariance != nil else { continue }
      let (a, b) = rotary.dimensions(ofPair: pair)
      for j in 0..<d {
        result.turnCovariance(a * d + j, b * d + j, cosine, sine)
      }
      for i in 0..<d {
        result.turnCovariance(i * d + a, i * d + b, cosine, sine)
      }
    }
    return result
  }

  private mutating func turnCovariance(_ a: Int, _ b: Int, _ cosine: Double, _ sine: Double) {
    guard let x = covariance?[a], let y = covariance?[b] else { return }
    covariance?[a] = cosine * x - sine * y
    covariance?[b] = sine * x + cosine * y
  }

  /// s kᵀμ + s² kᵀΣk/2 of each key from `first` on, s the attention scale: the logarithm of the
  /// mean of exp(s q·k) over normal queries q.
  func logExpectations(_ keys: Rows, from first: Int) -> [Double] {
    let d = mean.count
    var rows = DoubleRows(width: d)
    if let covariance {
      for i in 0..<d { rows.append(covariance[i * d..<(i + 1) * d]) }
    }
    return (first..<keys.count).map { index in
      let key = keys.row(index)
      var product = 0.0
      for i in 0..<d { product += Double(key[i]) * mean[i] }
      product *= keys.scale
      guard covariance != nil else { return product }
      var square = 0.0
      for vector in 0..<rows.vectors {
        var turned = SIMD8<Double>.zero
        for i in 0..<d { turned += Double(key[i]) * rows.elements[i * rows.vectors + vector] }
        for j in 8 * vector..<min(8 * vector + 8, d) { square += Double(key[j]) * turned[j % 8] }
      }
      return product + square * keys.scale * keys.scale / 2
    }
  }
}

extension RotaryEmbedding {
  /// The two dimensions that rotate together.
  fileprivate func dimensions(ofPair pair: Int) -> (Int, Int) {
    switch layout {
    case .interleaved: (2 * pair, 2 * pair + 1)
    case .halfSplit: (pair, pair + frequencies.count)
    }
  }

  /// (x, y) becomes (cosine x − sine y, sine x + cosine y).
  fileprivate func turn(_ row: inout [Double], pair: Int, cosine: Double, sine: Double) {
    let (a, b) = dimensions(ofPair: pair)
    let (x, y) = (row[a], row[b])
    row[a] = cosine * x - sine * y
    row[b] = sine * x + cosine * y
  }
}

extension LayerView {
  /// The logarithm of the mean of exp(scale · q·k) over the queries to come, for each key from slot
  /// `first` on.
  ///
  /// Those queries are assumed to be normal, with the mean and covariance of the view's queries at
  /// positions from `first` on before their rotation, rotated by the mean of the rotations of the
  /// `count` positions after the newest.
  func logExpectations(
    ofHead head: Int, from first: Int, futurePositions count: Int, withCovariance: Bool,
    _ turns: Turns?
  ) -> [Double] {
    QueryStatistics(
      self, head: head, at: positions(from: first), turns, withCovariance: withCovariance
    )
    .turned(to: newestQuery + 1, count: count, geometry.rotary)
    .logExpectations(keys(of: head), from: first)
  }

  /// The rotations that undo the rotary embedding of the queries at positions from `first` on; nil
  /// if none is known.
  func turnsBack(from first: Int) -> Turns? {
    geometry.rotary.map { Turns(back: positions(from: first), $0) }
  }

  private func positions(from first: Int) -> Range<Int> {
    min(max(first, firstQueryPosition), newestQuery + 1)..<newestQuery + 1
  }
}
