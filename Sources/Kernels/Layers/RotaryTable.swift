import Foundation
import Tensors
import Threads

/// Rotates the dimension pairs of heads by their token position (rotary position embedding).
///
/// Pair i at position p rotates by θ = p · frequencies[i]: (x, y) becomes (x cos θ − y sin θ, x sin
/// θ + y cos θ), times the embedding's magnitude. Angles, cosines and sines are computed in Double
/// and rounded once. The position is split as p = 64 a + b; both parts' cosines and sines come from tables and are combined by the
/// addition theorem, so that a prompt costs a few multiplications a pair instead of calls of `sin`
/// and `cos`.
public struct RotaryTable: Sendable {
  public let layout: RotaryEmbedding.Layout
  public let headDimension: Int
  private let frequencies: [Double]
  private let magnitude: Double
  /// cos and sin of b · frequency, (64 x pairs).
  private let low: [UnitVector]
  /// cos and sin of 64 a · frequency, (1,024 x pairs): positions below 65,536.
  private let high: [UnitVector]

  private static let lowCount = 64
  private static let highCount = 1024

  private struct UnitVector: Sendable {
    var cosine: Double
    var sine: Double

    init(angle: Double) {
      cosine = cos(angle)
      sine = sin(angle)
    }
  }

  /// Traps if the embedding has more than `headDimension / 2` pairs. Dimensions beyond its pairs
  /// are not rotated.
  public init(_ embedding: RotaryEmbedding, headDimension: Int) {
    precondition(
      embedding.frequencies.count * 2 <= headDimension,
      "RotaryTable: \(embedding.frequencies.count) pairs in \(headDimension) dimensions")
    self.layout = embedding.layout
    self.headDimension = headDimension
    let frequencies = embedding.frequencies
    self.frequencies = frequencies
    magnitude = embedding.magnitude
    low = (0..<Self.lowCount).flatMap { position in
      frequencies.map { UnitVector(angle: Double(position) * $0) }
    }
    high = (0..<Self.highCount).flatMap { position in
      frequencies.map { UnitVector(angle: Double(position * Self.lowCount) * $0) }
    }
  }

  /// One table for each layer of a model; layers of one embedding share it.
  public static func tables(of shape: AttentionShape) -> [RotaryTable?] {
    var made: [RotaryEmbedding: RotaryTable] = [:]
    return shape.geometry.map { layer in
      guard let rotary = layer.rotary else { return nil }
      let table = made[rotary] ?? RotaryTable(rotary, headDimension: shape.headDimension)
      made[rotary] = table
      return table
    }
  }

  /// Rotates every head of every row in place, and multiplies it with the embedding's magnitude.
  ///
  /// - Parameters:
  ///   - matrix: (tokens x heads·headDimension).
  ///   - firstPosition: the token position of row 0; rows are consecutive tokens.
  public func rotate(_ matrix: inout Matrix, firstPosition: Int, workers: WorkerPool) {
    precondition(
      matrix.columns % headDimension == 0 && firstPosition >= 0,
      """
      RotaryTable.rotate: \(matrix.columns) columns, head dimension \(headDimension), \
      first position \(firstPosition)
      """)
    turn(&matrix, rows: 0..<matrix.rows, magnitude: magnitude, workers) { firstPosition + $0 }
  }

  /// Rotates every head of some rows from the positions they were rotated to, to another one. Their
  /// magnitude stays.
  ///
  /// - Parameters:
  ///   - matrix: (tokens x heads·headDimension), rotated.
  ///   - firstPosition: the token position of row 0; rows are consecutive tokens.
  ///   - position: the position that all of `rows` are rotated to.
  public func turn(
    _ matrix: inout Matrix, rows: Range<Int>, firstPosition: Int, to position: Int,
    workers: WorkerPool
  ) {
    precondition(
      matrix.columns % headDimension == 0 && rows.lowerBound >= 0 && rows.upperBound <= matrix.rows,
      """
      RotaryTable.turn: rows \(rows) of \(matrix.rows) x \(matrix.columns), made for \
      \(headDimension)
      """)
    turn(&matrix, rows: rows, magnitude: 1, workers) { position - firstPosition - $0 }
  }

  /// Rotates each row by `distance` positions, backwards if negative.
  private func turn(
    _ matrix: inout Matrix, rows: Range<Int>, magnitude: Double, _ workers: WorkerPool,
    by distance: (Int) -> Int
  ) {
    let columns = matrix.columns
    guard !rows.isEmpty, columns > 0, !frequencies.isEmpty else { return }
    matrix.elements.withUnsafeMutableBufferPointer { elements in
      nonisolated(unsafe) let elements = elements.baseAddress!
      workers.runRanges(total: rows.count, minimumChunk: 32) { range, _ in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * rotated) { factors in
          let cosines = factors.baseAddress!
          let sines = cosines + rotated
          for row in rows.lowerBound + range.lowerBound..<rows.lowerBound + range.upperBound {
            fill(cosines, sines, distance: distance(row), magnitude: magnitude)
            for head in stride(from: 0, to: columns, by: headDimension) {
              let x = elements + row * columns + head
              switch layout {
              case .interleaved: turnInterleaved(x, cosines, sines)
              case .halfSplit: turnHalfSplit(x, cosines, sines)
              }
            }
          }
        }
      }
    }
  }

  private var rotated: Int { frequencies.count * 2 }

  /// The factors of a rotation by `distance` positions, times `magnitude`:
  /// out_i = x_i · cosines_i + partner_i · sines_i, where the first of a pair has −sin.
  private func fill(
    _ cosines: UnsafeMutablePointer<Float>, _ sines: UnsafeMutablePointer<Float>, distance: Int,
    magnitude: Double
  ) {
    let pairs = frequencies.count
    let position = abs(distance)
    let direction = distance < 0 ? -magnitude : magnitude
    let a = position / Self.lowCount
    let b = position % Self.lowCount
    for pair in 0..<pairs {
      let coarse =
        a < Self.highCount
        ? high[a * pairs + pair]
        : UnitVector(angle: Double(a * Self.lowCount) * frequencies[pair])
      let fine = low[b * pairs + pair]
      let cosine = Float(
        magnitude * (coarse.cosine * fine.cosine - coarse.sine * fine.sine))
      let sine = Float(direction * (coarse.sine * fine.cosine + coarse.cosine * fine.sine))
      let (first, second) =
        switch layout {
        case .interleaved: (2 * pair, 2 * pair + 1)
        case .halfSplit: (pair, pair + pairs)
        }
      cosines[first] = cosine
      cosines[second] = cosine
      sines[first] = -sine
      sines[second] = sine
    }
  }

  @inline(__always)
  private func turnInterleaved(
    _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
    _ sines: UnsafePointer<Float>
  ) {
    var i = 0
    while i &+ 16 <= rotated {
      let own = loadVector(x + i)
      var partner = own
      partner.evenHalf = own.oddHalf
      partner.oddHalf = own.evenHalf
      storeVector(
        (own * loadVector(cosines + i)).addingProduct(partner, loadVector(sines + i)), at: x + i)
      i &+= 16
    }
    while i < rotated {
      let (first, second) = (x[i], x[i + 1])
      x[i] = first * cosines[i] + second * sines[i]
      x[i + 1] = second * cosines[i + 1] + first * sines[i + 1]
      i &+= 2
    }
  }

  @inline(__always)
  private func turnHalfSplit(
    _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
    _ sines: UnsafePointer<Float>
  ) {
    let half = frequencies.count
    var i = 0
    while i &+ 16 <= half {
      let (first, second) = (loadVector(x + i), loadVector(x + half + i))
      storeVector(
        (first * loadVector(cosines + i)).addingProduct(second, loadVector(sines + i)), at: x + i)
      storeVector(
        (second * loadVector(cosines + half + i))
          .addingProduct(first, loadVector(sines + half + i)), at: x + half + i)
      i &+= 16
    }
    while i < half {
      let (first, second) = (x[i], x[half + i])
      x[i] = first * cosines[i] + second * sines[i]
      x[half + i] = second * cosines[half + i] + first * sines[half + i]
      i &+= 1
    }
  }
}
