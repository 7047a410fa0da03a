import Foundation
import Tensors
import Testing
import Threads

@testable import Kernels

/// The cold tier against the rows that were written and against attention over the rows that are read back.
@Suite("Cold tier")
struct ColdTierTests {
  /// Another attention scale than the usual one.
  static func attentionScale(_ dimension: Int) -> Double { 0.8 / Double(dimension).squareRoot() }

  /// A head of random rows, all cold but the last `exact` tokens.
  static func head(
    _ tokens: Int, dimension: Int, exact: Int, format: ColdFormat, scale: Float = 1, seed: Int
  ) -> (head: KVHead, keys: Matrix, values: Matrix) {
    var numbers = TestNumbers(seed: seed)
    let keys = numbers.matrix(tokens, dimension, scale: scale)
    let values = numbers.matrix(tokens, dimension, scale: scale)
    let head = KVHead(headDimension: dimension, scale: attentionScale(dimension))
    head.append(keys: keys, values: values, column: 0, firstPosition: 0)
    let kept = Selection(window: LocalWindow(width: exact - 1))
    head.cool(.everything, except: kept, newestQuery: tokens - 1, format: format)
    head.retain(kept, newestQuery: tokens - 1, keepsSlack: false)
    return (head, keys, values)
  }

  @Test(
    "A row is read back within half a step of its page's channel", arguments: ColdFormat.allCases,
    [1, 8, 24, 64, 100])
  func roundTrip(format: ColdFormat, dimension: Int) throws {
    for scale: Float in [1e-3, 1, 300] {
      let (head, keys, values) = Self.head(
        100, dimension: dimension, exact: 36, format: format, scale: scale, seed: dimension)
      let tier = try #require(head.cold)
      #expect(tier.positions == (0..<64).map { Int32($0) })
      #expect(head.count == 36 && head.heldPositions == (0..<100).map { Int32($0) })
      let rows = ColdScores.rows(of: tier)
      for (read, written) in [(rows.keys, keys), (rows.values, values)] {
        for page in 0..<2 {
          for channel in 0..<dimension {
            let column = (0..<32).map { written[32 * page + $0, channel] }
            let low = column.min() ?? 0
            let range = (column.max() ?? 0) - low
            // Minimum and step are rounded to half floats: 11 bits, steps of 2^-24 where they are smallest.
            let levels = Float(format.levels)
            let allowed = range / levels / 2 + (range + abs(low)) / 1024 + levels * 0x1p-24
            for token in 0..<32 {
              #expect(abs(read[32 * page + token, channel] - column[token]) <= allowed)
            }
          }
        }
      }
    }
  }

  @Test(
    "Channels without a range, and numbers beyond half floats, are read back as nearly as they go")
  func extremes() throws {
    let dimension = 3
    var keys = Matrix(rows: 32, columns: dimension)
    for row in 0..<32 {
      keys[row, 0] = 0.25
      keys[row, 1] = row == 5 ? 1e9 : -1e9
      keys[row, 2] = 0
    }
    let head = KVHead(headDimension: dimension)
    head.append(keys: keys, values: keys, column: 0, firstPosition: 0)
    head.cool(
      .everything, except: Selection(window: LocalWindow(width: 0)), newestQuery: 100, format: .q4)
    let rows = ColdScores.rows(of: try #require(head.cold)).keys
    for row in 0..<32 {
      #expect(rows[row, 0] == 0.25 && rows[row, 2] == 0)
      #expect(rows[row, 1].isFinite && (rows[row, 1] > 0) == (row == 5))
    }
  }

  @Test("Bytes are what the documentation says, and nothing is allocated beyond them")
  func bytes() throws {
    for (format, bytes) in [(ColdFormat.q4, 84), (.q8, 148)] {
      let (head, _, _) = Self.head(96 + 8, dimension: 64, exact: 8, format: format, seed: 3)
      let tier = try #require(head.cold)
      #expect(tier.allocatedBytes == 96 * bytes)
      #expect(head.logicalBytes == 96 * bytes + 8 * 512)
      #expect(head.allocatedBytes == 96 * bytes + 64 * 516)
      #expect(head.heldCount == 104)
      head.removeAll()
      #expect(head.allocatedBytes == 0 && head.heldCount == 0)
    }
  }

  @Test("Pages are added at the end, whatever stays exact between them")
  func growth() throws {
    var numbers = TestNumbers(seed: 9)
    let head = KVHead(headDimension: 16)
    var waiting: [Int32] = []
    var expected: [Int32] = []
    for step in 0..<10 {
      head.append(
        keys: numbers.matrix(41, 16), values: numbers.matrix(41, 16), column: 0,
        firstPosition: 41 * step)
      let newest = 41 * step + 40
      // Every fifth token stays exact, and what fills no page waits.
      waiting += (41 * step...newest).filter { $0 % 5 != 0 }.map { Int32($0) }
      let moved = waiting.prefix((waiting.count - 1) / 32 * 32)
      waiting.removeFirst(moved.count)
      expected += moved
      var exact = Selection(window: .currentToken)
      for position in 0...newest where !expected.contains(Int32(position)) {
        exact.keep(position)
      }
      head.cool(.everything, except: exact, newestQuery: newest, format: .q8)
      head.retain(exact, newestQuery: newest)
      #expect(head.cold?.positions ?? [] == expected)
      #expect(head.heldPositions == (0...Int32(newest)).map { $0 })
    }
    #expect(expected.count > 200)
  }

  @Test(
    "Attention over both tiers is exact attention over the rows that are read back",
    arguments: ColdFormat.allCases, [1, 3, 4, 8])
  func attention(format: ColdFormat, group: Int) throws {
    var numbers = TestNumbers(seed: group)
    for (index, dimension) in [8, 24, 64, 128].enumerated() {
      for tokens in [1, 2, 5] {
        let kernel = AttentionKernel(workers: try WorkerPool(threadCount: 1 + index % 3))
        // More than a part of pages.
        let past = [40, 200, 1300][numbers.integer(0..<3)]
        var attention = AttentionCase(
          seed: numbers.integer(0..<1000), group: group, kvHeads: 2, dimension: dimension,
          past: past, tokens: tokens, holes: index % 2 == 1)
        attention.cool(format, keeping: [0, 0.3, 0.9][tokens % 3], seed: past)
        for selections in [
          attention.selections,
          AttentionKernelTests.selections(2 * group, below: past + tokens, &numbers),
        ] {
          attention.selections = selections
          #expect(
            attention.check(kernel, rows: 0..<tokens) == nil,
            "d \(dimension), \(tokens) after \(past)")
        }
      }
    }
  }

  @Test("No logit of a page is above its bound, and masses are those of the softmax")
  func scores() throws {
    for format in ColdFormat.allCases {
      for (dimension, group) in [(8, 1), (24, 5), (64, 3)] {
        let (head, _, _) = Self.head(
          32 * 7 + 5, dimension: dimension, exact: 5, format: format, seed: dimension)
        let tier = try #require(head.cold)
        var numbers = TestNumbers(seed: group)
        let queries = numbers.matrix(group, dimension, scale: 3)
        let keys = ColdScores.rows(of: tier).keys
        let bounds = ColdScores.bounds(queries.elements.span, of: tier)
        let masses = ColdScores.masses(queries.elements.span, of: tier)
        let shares = ColdScores.boundShares(queries.elements.span, of: tier)
        var expectedMasses = [Double](repeating: 0, count: 7)
        var expectedShares = expectedMasses
        for query in 0..<group {
          let logits = (0..<tier.count).map { token in
            (0..<dimension).reduce(0.0) {
              $0 + Double(queries[query, $1]) * Double(keys[token, $1])
            } * Self.attentionScale(dimension)
          }
          let total = logits.reduce(0) { $0 + exp($1) }
          let boundTotal = (0..<7).reduce(0) { $0 + exp2(Double(bounds[query * 7 + $1])) }
          for page in 0..<7 {
            let bound = Double(bounds[query * 7 + page]) / 1.442_695_040_888_963_4
            let largest = logits[32 * page..<32 * (page + 1)].max() ?? 0
            #expect(largest <= bound + 1e-4)
            expectedMasses[page] +=
              logits[32 * page..<32 * (page + 1)].reduce(0) { $0 + exp($1) } / total
            expectedShares[page] += exp2(Double(bounds[query * 7 + page])) / boundTotal
          }
        }
        for page in 0..<7 {
          #expect(abs(Double(masses[page]) - expectedMasses[page]) < 1e-5)
          #expect(abs(Double(shares[page]) - expectedShares[page]) < 1e-5)
        }
      }
    }
  }

  @Test("Sampled mass is the sum of softmax rows before each query's window")
  func sampledMass() {
    var numbers = TestNumbers(seed: 4)
    let (tokens, d) = (150, 24)
    let head = KVHead(headDimension: d, scale: Self.attentionScale(d))
    head.append(
      keys: numbers.matrix(tokens, d, scale: 2), values: numbers.matrix(tokens, d), column: 0,
      firstPosition: 0)
    let queries = numbers.matrix(tokens, 3 * d, scale: 2)
    let positions = [0, 1, 17, 40, 41, 42, 63, 64, 65, 66, 67, 80, 81, 99, 100, 120, 128, 149]
    for window in [nil, LocalWindow(width: 20, alignment: 16), LocalWindow(width: 500)] {
      var mass = [Float](repeating: 0, count: tokens)
      SampledMass.add(
        queries: queries, columns: d..<2 * d, positions: positions, keys: head.keys,
        window: window, into: &mass)
      var expected = [Double](repeating: 0, count: tokens)
      for position in positions {
        let weights = (0...position).map { key in
          exp(
            (0..<d).reduce(0.0) {
              $0 + Double(queries[position, d + $1]) * Double(head.keys.row(key)[$1])
            } * Self.attentionScale(d))
        }
        let total = weights.reduce(0, +)
        for key in 0..<(window?.start(forQuery: position) ?? position + 1) {
          expected[key] += weights[key] / total
        }
      }
      for key in 0..<tokens { #expect(abs(Double(mass[key]) - expected[key]) < 1e-5) }
    }
  }
}
