internal import CNested
import Foundation
import Tensors

/// The query heads of one group at one position against a range of their KV head's tokens, held in ``NestedGroups``, most
/// of which are read only coarsely.
///
/// First ``rank(into:)`` gives every token a logit by the highest bits of its key. Once all ranges are ranked, ``attend(limits:ranked:into:)``
/// reads whole the tokens whose weight any head of the group finds large, and of the others the highest bits of the value.
struct SkimPass {
  let keys: NestedMemory
  let values: NestedMemory
  /// Places of the caches, those of tokens that are held; from a border of groups on, but for the first range.
  let places: Range<Int>
  let queries: SkimQueries
  /// Logits by their highest bits in units of log 2, from the border of groups before the range on.
  let logits: UnsafeMutablePointer<Float>
  /// 2^(logit − the range's largest).
  let weights: UnsafeMutablePointer<Float>
  /// From one head's logits, or weights, to the next one's.
  let stride: Int
  let scratch: FloatBuffer

  private var width: Int { keys.width }
  private var heads: Int { queries.heads }
  /// The border of groups before the range.
  private var start: Int { places.lowerBound / NestedGroups.rows * NestedGroups.rows }
  private var groups: Int {
    (places.upperBound - start + NestedGroups.rows - 1) / NestedGroups.rows
  }
  /// Places of these groups.
  private var padded: Int { groups * NestedGroups.rows }

  /// The range's largest logit, and the sum of 2^(logit − that), by query head.
  func rank(into ranked: UnsafeMutablePointer<BinaryLogits.Mass>) {
    var keys = keys.from(place: start)
    queries.withCodes { nested_rank(&keys, Int32(groups), $0, logits, Int32(stride)) }
    for head in 0..<heads {
      let line = logits + head * stride
      for place in 0..<places.lowerBound - start { line[place] = -.infinity }
      for place in places.upperBound - start..<padded { line[place] = -.infinity }
      ranked[head] = BinaryLogits.exponentiate(line, count: padded, into: weights + head * stride)
    }
  }

  /// Writes for each query head its maximum, its sum and its weighted values as they lie in memory, turned and without what
  /// was taken off, (heads x (width + 2)).
  ///
  /// - Parameters:
  ///   - limits: a token with a larger logit is read whole if it has all its bits, by query head.
  ///   - ranked: as ``rank(into:)`` gave them for this range.
  func attend(
    limits: UnsafePointer<Float>, ranked: UnsafePointer<BinaryLogits.Mass>,
    into partials: UnsafeMutablePointer<Float>
  ) {
    let padded = padded
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: padded) { rows in
      let rows = rows.baseAddress!  // a range is not empty
      var (keys, values) = (keys.from(place: start), values.from(place: start))
      let count = Int(
        nested_select(
          &keys, logits, Int32(stride), Int32(heads), Int32(places.upperBound - start), limits,
          rows))
      let isWhole = count == places.count
      nested_fetch(&keys, rows, Int32(count))
      nested_fetch(&values, rows, Int32(count))
      let exactWeights = scratch.reserve((heads + 1) * padded)
      let width = width
      partials.update(repeating: 0, count: heads * (width + 2))
      queries.withCodes {
        nested_refine(
          &keys, rows, Int32(count), $0, logits, Int32(stride), exactWeights, Int32(padded))
      }
      for head in 0..<heads {
        let partial = partials + head * (width + 2)
        let line = exactWeights + head * padded
        let sixteens = (count + 15) / 16 * 16
        for index in count..<sixteens { line[index] = -.infinity }
        let exact = BinaryLogits.exponentiate(line, count: sixteens)
        partial[0] = isWhole ? exact.maximum : max(exact.maximum, ranked[head].maximum)
        let factor = exact.maximum == -.infinity ? 0 : exp2(exact.maximum - partial[0])
        for index in 0..<count {
          line[index] *= factor
          // It no longer stands among the others.
          weights[head * stride + Int(rows[index])] = 0
        }
        partial[1] = exact.sum * factor
      }
      nested_add_rows(
        &values, rows, Int32(count), exactWeights, Int32(padded), Int32(heads), partials + 2,
        Int32(width + 2))
      if !isWhole { addCoarse(ranked, padded, into: partials, scratch: exactWeights) }
    }
  }

  /// Adds the tokens that were not read whole, by the highest bits of their values.
  ///
  /// Their weights times the scales of their rows are rounded to steps of 1/127 of the largest. What that takes from a value
  /// falls on the mean value, which was taken off all.
  private func addCoarse(
    _ ranked: UnsafePointer<BinaryLogits.Mass>, _ padded: Int,
    into partials: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let scales = scratch + heads * padded
    var values = values.from(place: start)
    nested_scales(&values, Int32(places.upperBound - start), scales)
    // Nor do rows that have left say anything.
    for place in 0..<places.lowerBound - start { scales[place] = 0 }
    for place in places.upperBound - start..<padded { scales[place] = 0 }
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: heads * padded) { steps in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: heads * width) { sums in
        let (steps, sums) = (steps.baseAddress!, sums.baseAddress!)
        withUnsafeTemporaryAllocation(of: SIMD2<Float>.self, capacity: heads) { factors in
          for head in 0..<heads {
            let partial = partials + head * (width + 2)
            let factor =
              partial[0] == -.infinity ? 0 : exp2(ranked[head].maximum - partial[0])
            let (mass, step, count) = quantise(
              weights + head * stride, scales, count: padded, scaled: scratch + head * padded,
              into: steps + head * padded)
            partial[1] += factor * mass
            factors[head] = SIMD2(factor * step, count)
          }
          nested_add_coarse(
            &values, Int32(padded / NestedGroups.rows), steps, Int32(padded), Int32(heads), sums)
          for head in 0..<heads {
            let target = partials + (head * (width + 2) + 2)
            // The middle of what the highest two bits may stand for: 64 q − 96.
            let (step, offset) = (64 * factors[head].x, -96 * factors[head].x * factors[head].y)
            for i in 0..<width { target[i] += step * Float(sums[head * width + i]) + offset }
          }
        }
      }
    }
  }

  /// - Returns: the sum of the weights; the step, NaN where a weight or a scale is; the sum of the steps.
  @inline(__always)
  private func quantise(
    _ weights: UnsafePointer<Float>, _ scales: UnsafePointer<Float>, count: Int,
    scaled: UnsafeMutablePointer<Float>, into steps: UnsafeMutablePointer<Int8>
  ) -> (mass: Float, step: Float, steps: Float) {
    var mass = SIMD16<Float>.zero
    var total = SIMD16<Float>.zero
    var largest = SIMD16<Float>.zero
    var i = 0
    while i < count {
      let weight = loadVector(weights + i)
      let product = weight * loadVector(scales + i)
      storeVector(product, at: scaled + i)
      mass += weight
      total += product
      largest = largest.orLarger(product)
      i &+= 16
    }
    let most = largest.laneMaximum
    // Too small for its inverse to be a number, it is nothing in a sum either. A difference, so that NaN and infinity show.
    guard most > .leastNormalMagnitude * 256, (total.laneSum - total.laneSum) == 0 else {
      steps.update(repeating: 0, count: count)
      return (mass.laneSum, total.laneSum - total.laneSum, 0)
    }
    // Not beyond 127 in spite of rounding.
    let step = most / 126.99
    let sum = nested_quantise(scaled, Int32(count), 1 / step, steps)
    return (mass.laneSum, step, Float(sum))
  }
}

/// The query heads of a group, turned, in 8 bits.
struct SkimQueries {
  let heads: Int
  private var codes: [Int8]
  private var sums: [Int32]
  private var factors: [Float]
  private var shifts: [Float]

  /// - Parameters:
  ///   - queries: (heads x width), as they come.
  ///   - scale: the attention scale.
  init(_ queries: UnsafePointer<Float>, heads: Int, keys: NestedMemory, scale: Double) {
    let width = keys.width
    self.heads = heads
    codes = [Int8](repeating: 0, count: heads * width)
    sums = [Int32](repeating: 0, count: heads)
    factors = [Float](repeating: 0, count: heads)
    shifts = factors
    let factor = BinaryLogits.factor(scale: scale)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: heads * width) { turned in
      let turned = turned.baseAddress!
      turned.update(from: queries, count: heads * width)
      Hadamard(width: width).turn(rows: heads, stride: width, turned)
      codes.withUnsafeMutableBufferPointer { codes in
        for head in 0..<heads {
          let query = turned + head * width
          let step = Self.step(of: query, width: width)
          sums[head] = nested_quantise(
            query, Int32(width), step > 0 ? 1 / step : 0, codes.baseAddress! + head * width)
          factors[head] = step * factor
          shifts[head] =
            keys.centre.map {
              factor * laneProducts(query, $0, count: width).laneSum
            } ?? 0
        }
      }
    }
  }

  /// The smallest step at which no number is beyond 127 of them, and none of 64 beyond 2,184 together, of which rounding
  /// takes half a step each.
  private static func step(of query: UnsafePointer<Float>, width: Int) -> Float {
    var largest = SIMD16<Float>.zero
    var most: Float = 0
    for block in stride(from: 0, to: width, by: 64) {
      var sum = SIMD16<Float>.zero
      for i in stride(from: block, to: block + 64, by: 16) {
        let magnitude = loadVector(query + i).magnitudes
        largest = largest.orLarger(magnitude)
        sum += magnitude
      }
      most = max(most, sum.laneSum)
    }
    return max(largest.laneMaximum / 126.99, most / (2184 - 32))
  }

  func withCodes(_ body: (UnsafePointer<nested_queries>) -> Void) {
    codes.withUnsafeBufferPointer { codes in
      sums.withUnsafeBufferPointer { sums in
        factors.withUnsafeBufferPointer { factors in
          shifts.withUnsafeBufferPointer { shifts in
            var queries = nested_queries(
              heads: Int32(heads), codes: codes.baseAddress, sums: sums.baseAddress,
              factors: factors.baseAddress, shifts: shifts.baseAddress)
            body(&queries)
          }
        }
      }
    }
  }
}
