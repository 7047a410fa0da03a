import Tensors
import Testing
import Threads

@testable import Kernels

/// The kernel against the definition in Double.
@Suite("Attention over a selection")
struct AttentionKernelTests {
  static func kernel(threads: Int = 2) throws -> AttentionKernel {
    AttentionKernel(workers: try WorkerPool(threadCount: threads))
  }

  /// One selection of every kind for each query head in turn.
  static func selections(_ count: Int, below end: Int, _ numbers: inout TestNumbers) -> [Selection]
  {
    (0..<count).map { index in
      let window = LocalWindow(
        width: [0, 1, 7, 31, 32, 64, 256][numbers.integer(0..<7)],
        alignment: [1, 1, 16, 100, 128][numbers.integer(0..<5)])
      switch (index + numbers.integer(0..<8)) % 8 {
      case 0: return .everything
      case 1: return Selection(window: window)
      case 2: return .random(below: end, density: 0.3, longest: 1, window: window, &numbers)
      case 3: return .random(below: end, density: 0.6, longest: 40, window: window, &numbers)
      case 4:
        var sinks = Selection(window: window)
        sinks.keep(0..<4)
        return sinks
      case 5: return .random(below: end, density: 0.05, longest: 1, window: .currentToken, &numbers)
      case 6:
        // Runs that reach beyond the newest query.
        var future = Selection(window: window)
        future.keep(end / 3..<end + 50)
        return future
      default: return .random(below: end, density: 1, longest: 3, window: window, &numbers)
      }
    }
  }

  @Test(
    "Causal attention over everything is exact for every length around the tiles",
    arguments: [1, 2, 3, 4, 5, 11, 12, 13, 31, 32, 33, 127, 128, 129, 511, 513])
  func everything(tokens: Int) throws {
    let kernel = try Self.kernel()
    let attention = AttentionCase(
      seed: tokens, group: 3, kvHeads: 1, dimension: 64, past: 0, tokens: tokens)
    #expect(attention.check(kernel, rows: 0..<tokens) == nil)
  }

  @Test(
    "Every head dimension and group size is exact, selections of every kind",
    arguments: [1, 8, 16, 20, 64, 80, 100, 128], [1, 3, 8])
  func shapes(dimension: Int, group: Int) throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: dimension * 10 + group)
    for tokens in [1, 2, 150] {
      var attention = AttentionCase(
        seed: numbers.integer(0..<1000), group: group, kvHeads: 2, dimension: dimension, past: 37,
        tokens: tokens)
      attention.selections = Self.selections(2 * group, below: 37 + tokens, &numbers)
      #expect(attention.check(kernel, rows: 0..<tokens) == nil, "\(tokens) tokens")
    }
  }

  @Test("Random selections are exact, with and without holes in the cache", arguments: 0..<60)
  func randomSelections(seed: Int) throws {
    let kernel = try Self.kernel(threads: 1 + seed % 3)
    var numbers = TestNumbers(seed: 1000 + seed)
    let tokens = [1, 2, 3, 12, 130, 200, 300][numbers.integer(0..<7)]
    var attention = AttentionCase(
      seed: seed, group: 1 + numbers.integer(0..<4), kvHeads: 1 + numbers.integer(0..<2),
      dimension: [16, 64][numbers.integer(0..<2)], past: numbers.integer(0..<400), tokens: tokens,
      holes: seed % 2 == 1)
    let end = attention.firstPosition + tokens
    attention.selections = Self.selections(attention.shape.queryHeads, below: end, &numbers)
    #expect(attention.check(kernel, rows: 0..<tokens) == nil)
  }

  @Test(
    "Attention to a cache of any format is attention to what it gives back",
    arguments: CacheFormat.tested,
    [32, 64, 96, 128, 256])
  func everyFormat(format: CacheFormat, dimension: Int) throws {
    guard format.complaint(headDimension: dimension) == nil else { return }
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: dimension)
    for (group, past, tokens, holes) in [
      (1, 300, 1, false), (3, 700, 1, true), (4, 130, 1, true), (8, 200, 1, false),
      (2, 64, 2, true), (3, 0, 150, false), (2, 37, 100, true),
    ] {
      var attention = AttentionCase(
        seed: group * past, group: group, kvHeads: 2, dimension: dimension, past: past,
        tokens: tokens, holes: holes, kept: 0.3, format: format)
      #expect(attention.check(kernel, rows: 0..<tokens, step: 7) == nil, "\(group) of \(past)")
      attention.selections = Self.selections(2 * group, below: past + tokens, &numbers)
      #expect(attention.check(kernel, rows: 0..<tokens) == nil, "\(group) of \(past), selected")
      for head in 0..<2 {
        var weights = [Float](repeating: 0, count: attention.heads[head].count)
        var expected = weights
        let query = attention.queries.row(0).extracting(0..<dimension)
        let visible = weights.count
        AttentionWeights.softmax(
          query: query, cache: attention.heads[head], visible: visible, into: &weights)
        AttentionWeights.softmax(
          query: query, keys: attention.heads[head].keys, visible: visible, into: &expected)
        #expect(zip(weights, expected).allSatisfy { abs($0 - $1) < 1e-5 })
      }
    }
  }

  @Test("A range of rows is the same as in the whole, and nothing else is written")
  func rowRanges() throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: 5)
    var attention = AttentionCase(
      seed: 5, group: 2, kvHeads: 2, dimension: 32, past: 90, tokens: 300, holes: true)
    attention.selections = Self.selections(4, below: 390, &numbers)
    for rows in [0..<1, 17..<19, 128..<256, 38..<166, 299..<300, 100..<300, 7..<7] {
      #expect(attention.check(kernel, rows: rows) == nil, "rows \(rows)")
    }
  }

  @Test("Long contexts cross every tile of keys", arguments: [(2100, 1), (2100, 128)])
  func longContexts(past: Int, alignment: Int) throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: past)
    for tokens in [1, 140] {
      var attention = AttentionCase(
        seed: past, group: 3, kvHeads: 1, dimension: 64, past: past, tokens: tokens)
      attention.selections = [
        .everything,
        .random(
          below: past + tokens, density: 0.4, longest: 1,
          window: LocalWindow(width: 256, alignment: alignment), &numbers),
        Selection(window: LocalWindow(width: 700, alignment: alignment)),
      ]
      #expect(attention.check(kernel, rows: 0..<tokens, step: 17) == nil, "\(tokens) tokens")
    }
  }

  @Test(
    "One query finds its tokens however far apart those lie that have stayed",
    arguments: [0.004, 0.02, 0.1, 0.6], 0..<4)
  func sparseCaches(kept: Double, seed: Int) throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: 3000 + seed)
    var attention = AttentionCase(
      seed: seed, group: 8, kvHeads: 1, dimension: 16, past: 6000, tokens: 1, holes: true,
      kept: kept)
    attention.selections = (0..<8).map { index in
      .random(
        below: 6001, density: [0.1, 0.5, 0.9][index % 3], longest: [1, 3, 64, 700][index % 4],
        window: LocalWindow(width: 40 * index), &numbers)
    }
    #expect(attention.check(kernel, rows: 0..<1) == nil)
  }

  @Test("Large and far apart logits neither overflow nor lose the largest weight")
  func largeLogits() throws {
    let kernel = try Self.kernel()
    for tokens in [1, 200] {
      var attention = AttentionCase(
        seed: 8, group: 2, kvHeads: 1, dimension: 64, past: 300, tokens: tokens)
      // Logits of some ±600: e^600 is no float.
      for index in attention.queries.elements.indices { attention.queries.elements[index] *= 100 }
      var output = Matrix(rows: tokens, columns: 128)
      var sums = [Float](repeating: 0, count: 2 * tokens)
      _ = kernel.attend(
        queries: attention.queries, rows: 0..<tokens, firstPosition: 300, shape: attention.shape,
        heads: attention.heads, selections: attention.selections, output: &output,
        logSumExp: &sums)
      let reference = AttentionReference(
        shape: attention.shape, heads: attention.heads, selections: attention.selections)
      for row in 0..<tokens {
        let expected = reference.attend(
          attention.queries.row(row).extracting(0..<64), head: 0, at: 300 + row)
        // A logit of 600 is exact to 600 · 64 roundings of 2^−24 at worst, so weights to some 1e-3.
        #expect(abs(Double(sums[row]) - expected.logSumExp) < 1e-3)
        for i in 0..<64 { #expect(abs(Double(output[row, i]) - expected.output[i]) < 2e-3) }
      }
    }
  }

  @Test("A query whose keys have all left gives zeros and −infinity", arguments: [1, 40])
  func nothingVisible(tokens: Int) throws {
    let kernel = try Self.kernel()
    var attention = AttentionCase(
      seed: 9, group: 1, kvHeads: 1, dimension: 16, past: 50, tokens: tokens)
    attention.firstPosition = 100  // the window holds positions from 100 on: the cache has none
    attention.selections = [Selection(window: .currentToken)]
    attention.selections[0].keep(200..<210)
    #expect(attention.check(kernel, rows: 0..<tokens) == nil)
  }

  @Test("The number of threads does not change a bit", arguments: [1, 300])
  func threads(tokens: Int) throws {
    var numbers = TestNumbers(seed: 11)
    var attention = AttentionCase(
      seed: 11, group: 3, kvHeads: 2, dimension: 64, past: 700, tokens: tokens, holes: true)
    attention.selections = Self.selections(6, below: 700 + tokens, &numbers)
    let results = try [1, 2, 3, 8].map { threads in
      var output = Matrix(rows: tokens, columns: 6 * 64)
      var sums = [Float](repeating: 0, count: 6 * tokens)
      _ = try Self.kernel(threads: threads).attend(
        queries: attention.queries, rows: 0..<tokens, firstPosition: 700, shape: attention.shape,
        heads: attention.heads, selections: attention.selections, output: &output,
        logSumExp: &sums)
      return (output, sums)
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test("Work follows the selection: computed pairs stay close to those selected")
  func computedPairs() throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: 12)
    var attention = AttentionCase(
      seed: 12, group: 3, kvHeads: 1, dimension: 16, past: 0, tokens: 2048)
    attention.selections = [
      .everything, Selection(window: LocalWindow(width: 256, alignment: 128)),
      .random(
        below: 2048, density: 0.3, longest: 1, window: LocalWindow(width: 256, alignment: 128),
        &numbers),
    ]
    var output = Matrix(rows: 2048, columns: 48)
    var sums = [Float](repeating: 0, count: 3 * 2048)
    let counts = kernel.attend(
      queries: attention.queries, rows: 0..<2048, firstPosition: 0, shape: attention.shape,
      heads: attention.heads, selections: attention.selections, output: &output, logSumExp: &sums)
    #expect(counts[0].nominal == 2048 * 2049 / 2)
    for count in counts {
      // A row group computes up to 43 keys beyond its own, of 256 and more on average.
      #expect(Double(count.computed) < 1.1 * Double(count.nominal))
    }
  }

  // MARK: Blocks of queries

  /// Selections of each kind that block methods make, besides all others.
  private static func blockSelections(
    _ count: Int, below end: Int, block: Int, _ numbers: inout TestNumbers
  ) -> [Selection] {
    selections(count, below: end, &numbers).map { other in
      var selection = Selection(window: LocalWindow(width: 0, alignment: block))
      switch numbers.integer(0..<5) {
      case 0: return other
      case 1: break
      case 2:
        for first in stride(from: 0, to: end, by: block) where numbers.integer(0..<3) == 0 {
          selection.keep(first..<first + block)
        }
      case 3:
        selection = .random(
          below: end, density: 0.4, longest: 200, window: selection.window, &numbers)
      default:
        selection = .random(
          below: end, density: 0.2, longest: 2, window: selection.window, &numbers)
      }
      return selection
    }
  }

  @Test(
    "Blocks of queries with selections of their own are exact, with and without holes in the cache",
    arguments: 0..<40)
  func blocks(seed: Int) throws {
    var numbers = TestNumbers(seed: 2000 + seed)
    let size = [16, 64, 100, 128][seed % 4]
    let tokens = [3, 65, 130, 257, 300][numbers.integer(0..<5)]
    let attention = AttentionCase(
      seed: seed, group: 1 + numbers.integer(0..<3), kvHeads: 1 + numbers.integer(0..<2),
      dimension: [16, 20, 64][numbers.integer(0..<3)], past: size * numbers.integer(0..<4),
      tokens: tokens, holes: seed % 3 == 1)
    let shape = attention.shape
    let blocks = stride(from: 0, to: tokens, by: size).map { first in
      let rows = first..<min(first + size, tokens)
      return QueryBlock(
        rows: rows,
        selections: Self.blockSelections(
          shape.queryHeads, below: attention.firstPosition + rows.upperBound, block: size, &numbers)
      )
    }
    func attend(_ threads: Int) throws -> (Matrix, [Float], [PairCounts]) {
      var output = Matrix(rows: tokens, columns: attention.queries.columns)
      var sums = [Float](repeating: 0, count: shape.queryHeads * tokens)
      let counts = try Self.kernel(threads: threads).attend(
        queries: attention.queries, blocks: blocks, firstPosition: attention.firstPosition,
        shape: shape, heads: attention.heads, output: &output, logSumExp: &sums)
      return (output, sums, counts)
    }
    let (output, sums, counts) = try attend(2)
    #expect(try attend(3) == (output, sums, counts))
    let d = shape.headDimension
    for head in 0..<shape.queryHeads {
      var pairs = 0
      for block in blocks {
        let reference = AttentionReference(
          shape: shape, heads: attention.heads, selections: block.selections)
        for row in block.rows {
          let expected = reference.attend(
            attention.queries.row(row).extracting(head * d..<(head + 1) * d), head: head,
            at: attention.firstPosition + row)
          pairs += expected.pairs
          let worst =
            (0..<d).map { abs(Double(output[row, head * d + $0]) - expected.output[$0]) }
            .max() ?? 0
          let sum = Double(sums[head * tokens + row])
          let difference = sum == expected.logSumExp ? 0 : abs(sum - expected.logSumExp)
          #expect(
            worst < 5e-6 && difference < 5e-6 * max(1, abs(expected.logSumExp)),
            "head \(head), row \(row): \(worst), \(difference)")
        }
      }
      #expect(counts[head].nominal == pairs && counts[head].computed >= pairs)
    }
  }

  @Test("Blocks of keys are computed as sparsely as they are selected")
  func computedBlocks() throws {
    let kernel = try Self.kernel()
    var numbers = TestNumbers(seed: 13)
    let attention = AttentionCase(
      seed: 13, group: 2, kvHeads: 1, dimension: 16, past: 0, tokens: 4096)
    for (size, excess) in [(64, 1.16), (128, 1.08)] {
      let blocks = stride(from: 0, to: 4096, by: size).map { first in
        let selections = (0..<2).map { _ in
          var selection = Selection(window: LocalWindow(width: 0, alignment: size))
          for key in stride(from: 0, to: first, by: size) where numbers.integer(0..<10) < 2 {
            selection.keep(key..<key + size)
          }
          return selection
        }
        return QueryBlock(rows: first..<first + size, selections: selections)
      }
      var output = Matrix(rows: 4096, columns: 32)
      var sums = [Float](repeating: 0, count: 2 * 4096)
      let counts = kernel.attend(
        queries: attention.queries, blocks: blocks, firstPosition: 0, shape: attention.shape,
        heads: attention.heads, output: &output, logSumExp: &sums)
      // All excess is on the diagonal: half a group of rows and half a panel of keys for each query.
      for count in counts {
        #expect(Double(count.computed) < excess * Double(count.nominal), "\(size): \(count)")
      }
    }
  }
}
