import Foundation
import Kernels
import Tensors
import Testing

@Suite("Rows of the attention matrix")
struct AttentionWeightsTests {
  /// The softmax over the first `visible` keys, in Double.
  static func expected(_ query: Span<Float>, _ keys: Rows, visible: Int) -> [Double] {
    let logits = (0..<visible).map { index in
      var sum = 0.0
      for i in 0..<keys.width { sum += Double(query[i]) * Double(keys.row(index)[i]) }
      return sum * keys.scale
    }
    let maximum = logits.max() ?? 0
    let total = logits.reduce(0) { $0 + exp($1 - maximum) }
    return logits.map { exp($0 - maximum) / total }
  }

  static func keys(_ count: Int, _ width: Int, _ numbers: inout TestNumbers) -> Rows {
    Rows(
      elements: numbers.floats((count + 3) * width, scale: 3), firstElement: 2 * width,
      count: count, width: width, scale: 0.8 / Double(width).squareRoot())
  }

  @Test(
    "A row is the softmax and touches nothing behind it",
    arguments: [1, 2, 15, 16, 17, 129, 500], [4, 16, 20, 64, 128])
  func softmax(visible: Int, width: Int) {
    var numbers = TestNumbers(seed: visible + width)
    let keys = Self.keys(visible + 1, width, &numbers)
    let query = numbers.floats(width, scale: 2)
    var weights = [Float](repeating: 7, count: visible + 5)
    AttentionWeights.softmax(query: query.span, keys: keys, visible: visible, into: &weights)
    let expected = Self.expected(query.span, keys, visible: visible)
    for index in 0..<visible {
      // A logit of size 20 is off by some 1e-6, its weight by that fraction.
      #expect(abs(Double(weights[index]) - expected[index]) <= 5e-6 * expected[index] + 1e-12)
    }
    #expect(weights[visible...].allSatisfy { $0 == 7 })
  }

  @Test(
    "The mean over the last queries is the mean of their causal rows", arguments: [1, 2, 7, 64])
  func mean(count: Int) {
    var numbers = TestNumbers(seed: count)
    let (first, newest, width) = (10, 49, 16)
    let keys = Self.keys(newest + 1, width, &numbers)
    let queries = numbers.matrix(newest + 1 - first, 2 * width)
    var weights = [Float](repeating: 0, count: newest + 1)
    AttentionWeights.meanSoftmax(
      queries: queries, firstPosition: first, columns: width..<2 * width, count: count,
      newest: newest, keys: keys, into: &weights)
    let positions = max(first, newest - count + 1)...newest
    var expected = [Double](repeating: 0, count: newest + 1)
    for position in positions {
      let query = queries.row(position - first).extracting(width..<2 * width)
      for (index, weight) in Self.expected(query, keys, visible: position + 1).enumerated() {
        expected[index] += weight / Double(positions.count)
      }
    }
    for index in 0...newest { #expect(abs(Double(weights[index]) - expected[index]) < 2e-6) }
  }
}
