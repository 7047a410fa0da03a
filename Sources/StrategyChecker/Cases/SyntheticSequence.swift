import Foundation
import Records
import Tensors

/// Made-up queries, keys and values with a structure that selections can find: a sink, scattered heavy tokens that
/// differ by head, and a pull towards recent tokens.
///
/// Each token's numbers follow from the seed, the layer, the KV head and the token alone, so a part can be changed
/// while all the rest stays the same to the bit.
struct SyntheticSequence {
  /// What is drawn anew.
  enum Change: Hashable {
    /// Queries, keys and values from this token on.
    case tokens(from: Int)
    case layer(Int)
    /// A KV head and its query heads, in every layer.
    case group(Int)
    case everything
  }

  private(set) var shape: AttentionShape
  let tokens: Int
  /// By layer: (tokens x queryHeads·headDimension), (tokens x kvHeads·headDimension).
  private(set) var queries: [Matrix] = []
  private(set) var keys: [Matrix] = []
  private(set) var values: [Matrix] = []

  init(shape: AttentionShape, tokens: Int, seed: Int, change: Change? = nil) {
    self.shape = shape
    self.tokens = tokens
    let d = shape.headDimension
    for layer in 0..<shape.layers {
      var queries = Matrix(rows: tokens, columns: shape.queryHeads * d)
      var keys = Matrix(rows: tokens, columns: shape.kvHeads * d)
      var values = keys
      for group in 0..<shape.kvHeads {
        let pattern = Pattern(shape: shape, seed: seed, layer: layer, group: group)
        for token in 0..<tokens {
          let isChanged =
            switch change {
            case nil: false
            case .tokens(let first): token >= first
            case .layer(let changed): layer == changed
            case .group(let changed): group == changed
            case .everything: true
            }
          pattern.write(
            token, salt: isChanged ? 1 : 0, queries: &queries, keys: &keys, values: &values)
        }
      }
      self.queries.append(queries)
      self.keys.append(keys)
      self.values.append(values)
    }
  }

  /// The rows of a step.
  func rows(_ range: Range<Int>, layer: Int) -> (queries: Matrix, keys: Matrix, values: Matrix) {
    (
      queries[layer].copy(ofRows: range), keys[layer].copy(ofRows: range),
      values[layer].copy(ofRows: range)
    )
  }

  /// The same with a layer before each of its own that has a window of `window` tokens, and a copy of
  /// its rows.
  func withWindows(of window: Int) -> SyntheticSequence {
    var copy = self
    var geometry: [LayerGeometry] = []
    for layer in shape.geometry {
      var local = layer
      local.window = window
      geometry += [local, layer]
    }
    copy.shape.geometry = geometry
    copy.queries = queries.flatMap { [$0, $0] }
    copy.keys = keys.flatMap { [$0, $0] }
    copy.values = values.flatMap { [$0, $0] }
    return copy
  }

  /// The same sequence with two KV heads, and their query heads, in each other's place.
  func swapping(_ first: Int, _ second: Int) -> SyntheticSequence {
    var copy = self
    let order = Self.order(of: shape.kvHeads, swapping: first, second)
    for layer in 0..<shape.layers {
      copy.queries[layer] = Self.reordered(queries[layer], groups: order)
      copy.keys[layer] = Self.reordered(keys[layer], groups: order)
      copy.values[layer] = Self.reordered(values[layer], groups: order)
    }
    return copy
  }

  static func order(of groups: Int, swapping first: Int, _ second: Int) -> [Int] {
    var order = Array(0..<groups)
    order.swapAt(first, second)
    return order
  }

  /// Columns in equal parts, part g of the result being part groups[g] of the matrix.
  static func reordered(_ matrix: Matrix, groups: [Int]) -> Matrix {
    let width = matrix.columns / groups.count
    var result = matrix
    for row in 0..<matrix.rows {
      for (group, source) in groups.enumerated() {
        for i in 0..<width {
          result[row, group * width + i] = matrix[row, source * width + i]
        }
      }
    }
    return result
  }
}

/// The structure of one KV head and its query heads.
///
/// With u a direction of the head: heavy keys (one in eight, and the first token) lie along u, queries along directions
/// near u, so that q·k/√d is about 3 for them; a slow wave shared by queries and keys adds up to 2 for tokens nearby.
private struct Pattern {
  let shape: AttentionShape
  let seed: Int
  let layer: Int
  let group: Int
  let direction: [Double]
  let queryDirections: [[Double]]
  let phases: [Double]

  init(shape: AttentionShape, seed: Int, layer: Int, group: Int) {
    self.shape = shape
    self.seed = seed
    self.layer = layer
    self.group = group
    var generator = SeededGenerator(seed: seed, purpose: "pattern \(layer) \(group)")
    func unit(_ row: [Double]) -> [Double] {
      let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / max(norm, 1e-6) }
    }
    let d = shape.headDimension
    let u = unit((0..<d).map { _ in generator.normal() })
    direction = u
    queryDirections = (0..<shape.queryHeadsPerKVHead).map { _ in
      let other = unit((0..<d).map { _ in generator.normal() })
      return unit(zip(u, other).map { $0 + 0.7 * $1 })
    }
    phases = (0..<d).map { _ in generator.unit() * 2 * .pi }
  }

  func write(
    _ token: Int, salt: Int, queries: inout Matrix, keys: inout Matrix, values: inout Matrix
  ) {
    let d = shape.headDimension
    let place = (layer * shape.kvHeads + group) * 2 + salt
    var generator = SeededGenerator(
      seed: UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15
        ^ UInt64(place) &* 0xc2b2_ae3d_27d4_eb4f ^ UInt64(token) &* 0x1656_67b1_9e37_79f9)
    _ = generator.next()
    let rootD = Double(d).squareRoot()
    let strength = (3 * rootD).squareRoot()
    let wave = (4 / rootD).squareRoot()
    let isHeavy = token == 0 || generator.unit() < 0.125
    let weight = isHeavy ? strength * (0.7 + 0.6 * generator.unit()) : 0
    for i in 0..<d {
      let slow = wave * cos(Double(token) / 7 + phases[i])
      keys[token, group * d + i] = Float(
        weight * direction[i] + 0.6 * generator.normal() + slow)
      values[token, group * d + i] = Float(generator.normal() * (isHeavy ? 1.5 : 1))
    }
    for (member, towards) in queryDirections.enumerated() {
      let gain = strength * (0.3 + 1.4 * generator.unit())
      let column = (group * queryDirections.count + member) * d
      for i in 0..<d {
        let slow = wave * cos(Double(token) / 7 + phases[i])
        queries[token, column + i] = Float(
          gain * towards[i] + 0.6 * generator.normal() + slow)
      }
    }
  }
}
