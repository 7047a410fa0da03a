import Attention
import Tensors

/// XAttention's offline phase (arXiv 2503.16428; `threshold/profile_threshold` of the repository): the threshold at which
/// each head's antidiagonal scores find the blocks that hold most of the attention of one dense pass.
///
/// For each block of queries: the fewest key blocks that hold at least 90 % of the true attention, and the smallest
/// antidiagonal score among them. The head's threshold is the score of all blocks that have at least that of their
/// row, of all score: both summed over rows. (The repository takes the largest over several texts; here it is one.)
public struct XAttentionCalibrator: Calibrator {
  /// The parameters that decide the evidence.
  public struct Options: Codable, Hashable, Sendable {
    public var stride: Int
    public var blockSize: Int
  }

  /// Of the true attention.
  private static let share = 0.9

  private let options: Options
  private let shape: AttentionShape
  private var tokens = 0
  private var thresholds: [Double] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
  }

  public mutating func observe(_ layer: LayerView) {
    tokens = layer.queries.rows
    let scores = layer.antidiagonalScores(stride: options.stride, blockSize: options.blockSize)
    thresholds += layer.forEachQueryHead { head in
      Rounding.mass(
        Self.threshold(masses: blockMasses(of: head, layer), scores: scores[head]))
    }
  }

  public consuming func finish() -> XAttentionEvidence {
    precondition(
      thresholds.count == shape.layers * shape.queryHeads,
      "XAttentionCalibrator.finish: \(thresholds.count) thresholds for \(shape.layers) layers x \(shape.queryHeads) query heads"
    )
    return XAttentionEvidence(
      tokens: tokens, layers: shape.layers, queryHeads: shape.queryHeads, thresholds: thresholds)
  }

  /// The true attention of each block of queries on each block of keys up to it, summed over queries.
  private func blockMasses(of head: Int, _ layer: LayerView) -> [[Double]] {
    let size = options.blockSize
    var masses: [[Double]] = []
    layer.forEachBlockOfRows(ofHead: head, size: size) { block, rows, weights, stride in
      masses.append(
        (0...block).map { key in
          var mass = 0.0
          for row in 0..<rows.count {
            var sum: Float = 0
            for index in key * size..<min((key + 1) * size, rows.upperBound) {
              sum += weights[row * stride + index]
            }
            mass += Double(sum)
          }
          return mass
        })
    }
    return masses
  }

  /// - Parameters:
  ///   - masses, scores: for query block i those of the key blocks 0…i.
  static func threshold(masses: [[Double]], scores: [[Double]]) -> Double {
    var taken = 0.0
    var all = 0.0
    for (masses, scores) in zip(masses, scores) {
      let total = masses.reduce(0, +)
      let order = masses.indices.sorted { left, right in
        masses[left] == masses[right] ? left < right : masses[left] > masses[right]
      }
      var sum = 0.0
      var least = Double.infinity
      for key in order {
        sum += masses[key]
        least = min(least, scores[key])
        if sum >= share * total { break }
      }
      taken += scores.reduce(0) { $1 >= least ? $0 + $1 : $0 }
      all += scores.reduce(0, +)
    }
    return taken / (all + 1e-8)
  }
}

/// What XAttention's calibration found out.
public struct XAttentionEvidence: CalibrationEvidence {
  /// Tokens of the calibration text.
  public var tokens: Int
  public var layers: Int
  public var queryHeads: Int
  /// Layer after layer, head after head; 0…1 in steps of 1e-7.
  public var thresholds: [Double]

  public init(tokens: Int, layers: Int, queryHeads: Int, thresholds: [Double]) {
    self.tokens = tokens
    self.layers = layers
    self.queryHeads = queryHeads
    self.thresholds = thresholds
  }

  public var isConsistent: Bool {
    layers > 0 && queryHeads > 0 && thresholds.count == layers * queryHeads
      && thresholds.allSatisfy { (0...1).contains($0) }
  }
}
