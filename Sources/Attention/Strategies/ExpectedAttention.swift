import Foundation
import Records
import Tensors

/// Expected attention: the tokens stay that queries to come are expected to attend to.
///
/// Devoto et al. 2025, arXiv 2510.00636; as in kvpress (`presses/expected_attention_press.py`). For each query head, over
/// the prompt's queries after the first `sinks`, before their rotation: mean μ and covariance Σ (divided by the number of
/// queries). With R the mean of the rotations of the `futurePositions` positions after the prompt, μ ← Rμ, Σ ← RΣRᵀ.
/// A token's score is the softmax, over all tokens after the sinks, of kᵀμ/√d + kᵀΣk/2d for the cached, rotated key k; the
/// mean over the query heads of a KV head; plus `epsilon`, times ‖v‖₂. `covariance` and `valueNorm` (kvpress's
/// `use_covariance`, `use_vnorm`) leave out Σ and ‖v‖₂. The defaults are kvpress's; its published evaluation has
/// `epsilon` 0.01 and budgets shared between heads (AdaKV), which this is not. The sinks stay.
///
/// Deviations: queries before rotation are worked out from the rotated ones (equal but for rounding); without known rotary
/// positions nothing is turned; the newest token always stays, inside the budget (our caches never let go of it), where
/// kvpress may drop it. Without a budget half of the prompt stays, for want of a published default.
///
/// Costs 2 d² multiplications for each token and query head.
public struct ExpectedAttention: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var sinks: Int
    public var futurePositions: Int
    public var covariance: Bool
    public var valueNorm: Bool
    public var epsilon: Double
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      sinks: Int = 4, futurePositions: Int = 512, covariance: Bool = true, valueNorm: Bool = true,
      epsilon: Double = 0, retainedFraction: Double = RetentionBudget.defaultFraction,
      budget: Budget? = nil
    ) {
      self.sinks = sinks
      self.futurePositions = futurePositions
      self.covariance = covariance
      self.valueNorm = valueNorm
      self.epsilon = epsilon
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "expected-attention",
    summary: "After the prompt, the tokens stay that queries to come are expected to attend to.",
    phases: [.retention],
    parameters: [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(4),
        "first tokens always kept, inside the budget, and not looked at"),
      ParameterDescription(
        "futurePositions", .integer(minimum: 1, maximum: 65_536), default: .integer(512),
        "positions after the prompt over which rotations are averaged"),
      ParameterDescription(
        "covariance", .boolean, default: .boolean(true),
        "the spread of the queries counts, not their mean alone"),
      ParameterDescription(
        "valueNorm", .boolean, default: .boolean(true), "scores are scaled by the values' norms"),
      ParameterDescription(
        "epsilon", .number(minimum: 0, maximum: 1), default: .number(0),
        "added to the expected attention before it is scaled"),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .simplified,
    source: "Devoto et al. 2025, arXiv 2510.00636; github.com/NVIDIA/kvpress")

  public let budget: RetentionBudget
  private let configuration: Configuration

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction,
      of: "expected-attention")
    _ = try checkSize("sinks", configuration.sinks, atLeast: 0)
    guard (1...65_536).contains(configuration.futurePositions) else {
      throw ConfigurationError(
        "futurePositions", "\(configuration.futurePositions) is out of range; use 1 to 65536")
    }
    guard (0...1).contains(configuration.epsilon) else {
      throw ConfigurationError(
        "epsilon", "\(configuration.epsilon) is out of range; use a number from 0 to 1")
    }
    self.configuration = configuration
  }

  public func forcedTokens(of count: Int) -> ForcedTokens {
    ForcedTokens(first: configuration.sinks)
  }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let head = layer.heads[kvHead]
    let sinks = configuration.sinks
    guard head.count > sinks, layer.queries.rows > sinks else { return }
    var expected = [Double](repeating: 0, count: head.count - sinks)
    let positions = layer.queryPositions.dropFirst(sinks)
    let turns = layer.geometry.rotary.map { Turns(back: positions, $0) }
    for queryHead in queryHeads {
      let statistics = QueryStatistics(
        layer, head: queryHead, at: positions, turns, withCovariance: configuration.covariance
      ).turned(to: layer.newestQuery + 1, count: configuration.futurePositions, layer.geometry.rotary)
      var logits = statistics.logExpectations(head.keys, from: sinks)
      let largest = logits.max() ?? 0
      var total = 0.0
      for index in logits.indices {
        logits[index] = exp(logits[index] - largest)
        total += logits[index]
      }
      let share = 1 / (total * Double(queryHeads.count))
      for index in logits.indices { expected[index] += logits[index] * share }
    }
    let values = head.values
    for (index, value) in expected.enumerated() {
      let scale = configuration.valueNorm ? norm(values.row(sinks + index)) : 1
      scores[sinks + index] = Float(
        configuration.valueNorm ? (value + configuration.epsilon) * scale : value)
    }
  }
}

/// The rotations that take queries back to what they were before theirs.
private struct Turns {
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
private struct QueryStatistics {
  var mean: [Double]
  /// (d x d); nil where it is left out.
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

  /// Turned by the mean of the rotations of `count` positions from `first` on.
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

  /// s kᵀμ + s² kᵀΣk/2 of each key from `first` on, s the attention scale: the logarithm of the mean of
  /// exp(s q·k) over normal queries q.
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
  /// The two dimensions that turn together.
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
