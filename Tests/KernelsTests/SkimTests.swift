import Foundation
import Tensors
import Testing
import Threads

@testable import Kernels

/// A coarse look against its rule, worked out in Double from the codes.
@Suite("Skimming")
struct SkimTests {
  struct Case: CustomTestStringConvertible {
    var group: Int
    var kvHeads = 1
    var dimension: Int
    var prompt: Int
    var decoded = 1
    var exactAbove: Double
    var queryScale: Float = 1
    /// Tokens that have left.
    var gone: Range<Int> = 0..<0
    /// Tokens that leave once all have come.
    var goneLater: [Range<Int>] = []
    /// One token of so many keeps all its bits after the prompt; and of those after it once all have come.
    var wholeOf = 1
    var wholeOfLater = 1

    var testDescription: String {
      "\(group) heads of \(dimension), \(prompt) + \(decoded) tokens without \(gone) and \(goneLater), 1 of \(wholeOf) and of \(wholeOfLater) whole, above \(exactAbove)"
    }
  }

  static let cases = [
    Case(group: 3, kvHeads: 3, dimension: 64, prompt: 2500, exactAbove: 1.0 / 4096),
    Case(group: 3, kvHeads: 2, dimension: 64, prompt: 1024, exactAbove: 1.0 / 512, queryScale: 4),
    Case(group: 4, dimension: 256, prompt: 700, decoded: 40, exactAbove: 1.0 / 256),
    Case(group: 7, dimension: 128, prompt: 300, decoded: 20, exactAbove: 1.0 / 64, queryScale: 6),
    Case(group: 1, kvHeads: 2, dimension: 64, prompt: 1, decoded: 31, exactAbove: 1.0 / 16),
    Case(group: 2, dimension: 64, prompt: 200, exactAbove: 0),
    Case(group: 2, dimension: 64, prompt: 1500, exactAbove: 1),
    Case(
      group: 5, kvHeads: 2, dimension: 64, prompt: 600, decoded: 9, exactAbove: 1.0 / 512,
      gone: 37..<301),
    // A window that has slid by a part of a group, by more than one; a hole after that.
    Case(group: 3, dimension: 64, prompt: 1500, exactAbove: 1.0 / 512, goneLater: [0..<13]),
    Case(
      group: 3, dimension: 192, prompt: 1400, decoded: 70, exactAbove: 1.0 / 1024,
      goneLater: [0..<333]),
    Case(
      group: 2, kvHeads: 2, dimension: 64, prompt: 1300, decoded: 4, exactAbove: 1.0 / 256,
      gone: 0..<45, goneLater: [700..<705]),
    Case(
      group: 2, kvHeads: 2, dimension: 64, prompt: 1300, decoded: 4, exactAbove: 1.0 / 256,
      goneLater: [0..<45, 50..<52, 700..<705]),
    Case(group: 2, dimension: 64, prompt: 400, exactAbove: 1.0 / 256, queryScale: 0),
    // Tokens that gave up bits: after the prompt, later, on both sides of tokens that left, all of them.
    Case(group: 3, kvHeads: 3, dimension: 64, prompt: 2500, exactAbove: 0, wholeOf: 7),
    Case(
      group: 3, kvHeads: 2, dimension: 64, prompt: 1024, decoded: 70, exactAbove: 1.0 / 512,
      queryScale: 4, wholeOf: 3, wholeOfLater: 5),
    Case(
      group: 4, dimension: 256, prompt: 700, decoded: 40, exactAbove: 0, gone: 37..<301,
      goneLater: [0..<45, 50..<52, 600..<605], wholeOf: 2, wholeOfLater: 4),
    Case(
      group: 3, dimension: 192, prompt: 500, decoded: 7, exactAbove: 0, goneLater: [0..<77],
      wholeOf: 1000, wholeOfLater: 1000),
    Case(
      group: 7, dimension: 128, prompt: 300, decoded: 20, exactAbove: 0, queryScale: 6,
      goneLater: [0..<13, 290..<300], wholeOfLater: 9),
  ]

  @Test(
    "A query reads whole what its group finds heavy, and the rest by its highest bits",
    arguments: cases)
  func rule(test: Case) throws {
    var numbers = TestNumbers(seed: test.prompt + test.group)
    let d = test.dimension
    let shape = AttentionShape(
      layers: 1, queryHeads: test.group * test.kvHeads, kvHeads: test.kvHeads, headDimension: d)
    let heads = (0..<test.kvHeads).map { _ in KVHead(headDimension: d, format: CacheFormat(.nested))
    }
    let tokens = test.prompt + test.decoded
    var keys = numbers.matrix(tokens, d * test.kvHeads)
    let values = numbers.matrix(tokens, d * test.kvHeads)
    // A mean worth taking off, and an outlying channel.
    for row in 0..<tokens {
      for column in 0..<keys.columns { keys[row, column] += column % 5 == 0 ? 2 : 0.1 }
    }
    for (index, head) in heads.enumerated() {
      head.append(
        keys: keys, values: values, rows: 0..<test.prompt, column: index * d, firstPosition: 0)
      if !test.gone.isEmpty {
        var kept = Selection(window: LocalWindow(width: test.prompt - test.gone.upperBound - 1))
        kept.keep(0..<test.gone.lowerBound)
        head.retain(kept, newestQuery: test.prompt - 1)
      }
      if test.wholeOf > 1 {
        head.coarsen(except: Self.everySo(test.wholeOf, 0..<test.prompt), newestQuery: 1 << 20)
      }
      head.settle()
      for position in test.prompt..<tokens {
        head.append(
          keys: keys, values: values, rows: position..<position + 1, column: index * d,
          firstPosition: position)
      }
      if test.wholeOfLater > 1 {
        let later = Self.everySo(test.wholeOfLater, 0..<tokens)
        head.coarsen(except: later, newestQuery: 1 << 20)
      }
      // Step by step, as windows slide.
      for position in test.goneLater.joined() {
        let kept = head.positions.filter { $0 != position }.map { Int($0) }
        var selection = Selection(window: .currentToken)
        for position in kept { selection.keep(position..<position + 1) }
        head.retain(selection, newestQuery: tokens - 1)
      }
    }
    let queries = numbers.matrix(1, shape.queryHeads * d, scale: test.queryScale)
    var output = Matrix(rows: 1, columns: queries.columns)
    var sums = [Float](repeating: 0, count: shape.queryHeads)
    let kernel = AttentionKernel(workers: try WorkerPool(threadCount: 2))
    _ = kernel.attend(
      queries: queries, rows: 0..<1, firstPosition: tokens - 1, shape: shape, heads: heads,
      selections: [Selection](repeating: .everything, count: shape.queryHeads),
      exactAbove: test.exactAbove, output: &output, logSumExp: &sums)

    for (index, head) in heads.enumerated() {
      let reference = SkimReference(head)
      let coarse = head.positions.filter {
        Int($0) % test.wholeOfLater != 0 || Int($0) < test.prompt && Int($0) % test.wholeOf != 0
      }
      #expect(head.coarsePositions == coarse)
      let whole = head.positions.count - coarse.count
      let marks = coarse.isEmpty ? 0 : (reference.lead + head.positions.count + 31) / 32 * 8
      #expect(
        head.logicalBytes == head.positions.count * (4 + d * 3 / 4) + whole * d * 5 / 4
          + 2 * (marks + (test.prompt < 128 ? 0 : 4 * d)))
      let first = index * test.group
      let own = (first..<first + test.group).map { head in
        (0..<d).map { Double(queries[0, head * d + $0]) }
      }
      let wanted = reference.attend(own, exactAbove: test.exactAbove)
      #expect(wanted.nearestToLimit > 1e-5, "another seed, so that rounding decides nothing")
      for (place, result) in wanted.results.enumerated() {
        let found = (0..<d).map { Double(output[0, (first + place) * d + $0]) }
        let error = zip(found, result.output).map { abs($0 - $1) }.max() ?? 0
        #expect(
          error <= 1e-5 + result.flip,
          "head \(first + place): off by \(error), \(wanted.whole) read whole")
        #expect(abs(Double(sums[first + place]) - result.logSumExp) <= 1e-5)
      }
    }
  }

  /// The tokens of a range whose positions are multiples of a number.
  private static func everySo(_ step: Int, _ tokens: Range<Int>) -> Selection {
    var selection = Selection(window: .currentToken)
    for position in stride(from: tokens.lowerBound, to: tokens.upperBound, by: step) {
      selection.keep(position..<position + 1)
    }
    return selection
  }

  @Test("Codes that lose their lower bits keep the others, and so do those beside them")
  func codesStay() {
    var numbers = TestNumbers(seed: 5)
    for d in [64, 192] {
      let keys = numbers.matrix(150, d)
      let values = numbers.matrix(150, d)
      func head(_ change: (KVHead) -> Void) -> SkimReference {
        let head = KVHead(headDimension: d, format: CacheFormat(.nested))
        head.append(keys: keys, values: values, rows: 0..<100, column: 0, firstPosition: 0)
        head.settle()
        for row in 100..<150 {
          head.append(
            keys: keys, values: values, rows: row..<row + 1, column: 0, firstPosition: row)
        }
        change(head)
        return SkimReference(head)
      }
      let all = head { _ in }
      let some = head {
        $0.coarsen(except: Self.everySo(5, 0..<150), newestQuery: 1 << 20)
        $0.coarsen(except: Self.everySo(3, 0..<150), newestQuery: 1 << 20)
      }
      for (all, some, bits) in [(all.keys, some.keys, 4), (all.values, some.values, 6)] {
        for (token, (all, some)) in zip(all.rows, some.rows).enumerated() {
          #expect(some.isWhole == (token % 15 == 0))
          #expect(some.scale == all.scale)
          let step = some.isWhole ? 1 : 1 << bits
          #expect(some.codes == all.codes.map { $0 / step * step }, "token \(token) of \(d)")
        }
      }
    }
  }

  @Test("A row that is decoded is what its bits say")
  func decoding() {
    var numbers = TestNumbers(seed: 6)
    let head = KVHead(headDimension: 64, format: CacheFormat(.nested))
    let rows = numbers.matrix(70, 64)
    head.append(keys: rows, values: rows, column: 0, firstPosition: 0)
    head.coarsen(except: Self.everySo(4, 0..<70), newestQuery: 1 << 20)
    head.settle()
    let reference = SkimReference(head)
    for (found, wanted, bits) in [
      (head.keys, reference.keys, 4), (head.values, reference.values, 2),
    ] {
      for slot in 0..<70 {
        let row = wanted.rows[slot]
        let numbers = reference.turn(
          zip(row.numbers(bits: row.isWhole ? 8 : bits), wanted.centre).map { $0 + $1 })
        for i in 0..<64 { #expect(abs(Double(found.row(slot)[i]) - numbers[i]) < 1e-5) }
      }
    }
  }

  @Test("What is no number is not hidden", arguments: [true, false])
  func notFinite(inKey: Bool) throws {
    var numbers = TestNumbers(seed: 3)
    let shape = AttentionShape(layers: 1, queryHeads: 2, kvHeads: 1, headDimension: 128)
    let head = KVHead(headDimension: 128, format: CacheFormat(.nested))
    var keys = numbers.matrix(320, 128)
    var values = numbers.matrix(320, 128)
    // The mean of a prompt with it would not be taken off.
    if inKey { keys[310, 7] = .nan } else { values[310, 7] = .nan }
    head.append(keys: keys, values: values, rows: 0..<300, column: 0, firstPosition: 0)
    head.settle()
    for row in 300..<320 {
      head.append(keys: keys, values: values, rows: row..<row + 1, column: 0, firstPosition: row)
    }
    let kernel = AttentionKernel(workers: try WorkerPool(threadCount: 1))
    for exactAbove in [0, 1.0 / 4096, 1] {
      var output = Matrix(rows: 1, columns: 256)
      var sums = [Float](repeating: 0, count: 2)
      _ = kernel.attend(
        queries: numbers.matrix(1, 256), rows: 0..<1, firstPosition: 319, shape: shape,
        heads: [head], selections: [.everything, .everything], exactAbove: exactAbove,
        output: &output, logSumExp: &sums)
      #expect(output.elements.allSatisfy { $0.isNaN }, "above \(exactAbove)")
    }
  }

  @Test("A coarse look is close to reading all, and closer the more is read whole")
  func approachesExact() throws {
    var numbers = TestNumbers(seed: 9)
    let shape = AttentionShape(layers: 1, queryHeads: 3, kvHeads: 1, headDimension: 64)
    let head = KVHead(headDimension: 64, format: CacheFormat(.nested))
    let keys = numbers.matrix(2000, 64)
    let values = numbers.matrix(2000, 64)
    head.append(keys: keys, values: values, column: 0, firstPosition: 0)
    head.settle()
    let queries = numbers.matrix(1, 3 * 64, scale: 3)
    let kernel = AttentionKernel(workers: try WorkerPool(threadCount: 1))
    func output(_ exactAbove: Double?) -> [Float] {
      var output = Matrix(rows: 1, columns: 3 * 64)
      var sums = [Float](repeating: 0, count: 3)
      _ = kernel.attend(
        queries: queries, rows: 0..<1, firstPosition: 1999, shape: shape, heads: [head],
        selections: [Selection](repeating: .everything, count: 3), exactAbove: exactAbove,
        output: &output, logSumExp: &sums)
      return Array(output.elements)
    }
    let exact = output(nil)
    func error(_ exactAbove: Double) -> Double {
      let found = output(exactAbove)
      return zip(found, exact).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
    }
    let size = exact.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
    let errors = [1, 1.0 / 256, 1.0 / 1024, 1.0 / 4096, 0].map { error($0) / size }
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 >= $1 }, "\(errors)")
    // What is left is the rounding of queries.
    #expect(errors[4] < 0.02, "\(errors)")
  }
}

/// The rule in Double.
private struct SkimReference {
  let d: Int
  let scale: Double
  let lead: Int
  let keys: (rows: [Row], centre: [Double])
  let values: (rows: [Row], centre: [Double])

  struct Row {
    var scale: Double
    var codes: [Int]
    var isWhole: Bool

    func numbers(bits: Int) -> [Double] {
      let step = Double(1 << (8 - bits))
      return codes.map { ((Double($0) / step).rounded(.down) * step + step / 2 - 128) * scale }
    }
  }

  init(_ head: KVHead) {
    d = head.headDimension
    scale = head.scale
    lead = head.withMemory { keys, _ in keys.nested?.lead ?? 0 }
    let d = d
    func rows(_ memory: TokenMemory) -> (rows: [Row], centre: [Double]) {
      guard let nested = memory.nested else { return ([], []) }
      let rows = (0..<head.count).map { slot in
        var codes = [UInt8](repeating: 0, count: d)
        let bits = codes.withUnsafeMutableBufferPointer {
          nested.load(place: slot + nested.lead, into: $0.baseAddress!)
        }
        return Row(
          scale: Double(Float16(bitPattern: bits)),
          codes: codes.map { Int($0) }, isWhole: nested.isWhole(place: slot + nested.lead))
      }
      return (rows, (0..<d).map { channel in nested.centre.map { Double($0[channel]) } ?? 0 })
    }
    (keys, values) = head.withMemory { (rows($0), rows($1)) }
  }

  struct Result {
    var output: [Double]
    var logSumExp: Double
    /// What a weight that is rounded to the step beside it makes of a number of the output.
    var flip: Double
  }

  func attend(
    _ queries: [[Double]], exactAbove: Double
  ) -> (results: [Result], whole: Int, nearestToLimit: Double) {
    let turned = queries.map(turn)
    let coded = turned.map { query -> [Double] in
      let blocks = stride(from: 0, to: d, by: 64).map { first in
        query[first..<first + 64].reduce(0) { $0 + abs($1) }
      }
      let step = max(query.map(abs).max()! / 126.99, blocks.max()! / (2184 - 32))
      return query.map { step > 0 ? ($0 / step).rounded(.toNearestOrEven) * step : 0 }
    }
    func logits(_ bits: Int) -> [[Double]] {
      zip(turned, coded).map { query, codes in
        let shift = zip(query, keys.centre).reduce(0) { $0 + $1.0 * $1.1 }
        return keys.rows.map { row in
          scale * (zip(codes, row.numbers(bits: bits)).reduce(0) { $0 + $1.0 * $1.1 } + shift)
        }
      }
    }
    let (coarse, fine) = (logits(4), logits(8))
    var whole = Set<Int>()
    var nearest = Double.infinity
    for line in coarse {
      let maximum = line.max()!
      let sum = line.reduce(0) { $0 + exp($1 - maximum) }
      for (slot, logit) in line.enumerated() {
        let share = exp(logit - maximum) / sum
        if share > exactAbove, keys.rows[slot].isWhole { whole.insert(slot) }
        if exactAbove > 0 { nearest = min(nearest, abs(share / exactAbove - 1)) }
      }
    }
    let results = zip(coarse, fine).map { coarse, fine -> Result in
      let maximum = max(coarse.max()!, fine.max()!)
      var total = 0.0
      var output = [Double](repeating: 0, count: d)
      var largestStep = 0.0
      for start in stride(from: -lead, to: coarse.count, by: AttentionKernel.skimmedSlots) {
        let first = max(0, start)
        let part = first..<min(start + AttentionKernel.skimmedSlots, coarse.count)
        let products = part.map { slot in
          whole.contains(slot) ? 0 : exp(coarse[slot] - maximum) * values.rows[slot].scale
        }
        let most = products.max()!
        let steps = products.map { most > 0 ? ($0 * 126.99 / most).rounded(.toNearestOrEven) : 0 }
        let step = most / 126.99
        largestStep = max(largestStep, step)
        for slot in part {
          let isWhole = whole.contains(slot)
          let weight = exp((isWhole ? fine[slot] : coarse[slot]) - maximum)
          total += weight
          let row = values.rows[slot]
          let factor = isWhole ? weight : steps[slot - first] * step / row.scale
          for (i, number) in row.numbers(bits: isWhole ? 8 : 2).enumerated() {
            output[i] += factor * number
          }
        }
      }
      output = turn(zip(output, values.centre).map { $0 / total + $1 })
      return Result(
        output: output, logSumExp: maximum + log(total),
        flip: 96 * largestStep * Double(d).squareRoot() / total)
    }
    return (results, whole.count, nearest)
  }

  /// By the Hadamard matrix of the largest power of two that divides the width, entry by entry.
  func turn(_ numbers: [Double]) -> [Double] {
    let size = d & -d
    return (0..<d).map { row in
      let first = row / size * size
      let sum = (0..<size).reduce(0) { sum, column in
        let sign = (row & column).nonzeroBitCount % 2 == 0 ? 1.0 : -1
        return sum + sign * numbers[first + column]
      }
      return sum / Double(size).squareRoot()
    }
  }
}
