import Tensors
import Threads

/// Exact attention over a selection, tiled with an online softmax: no (queries x keys) matrix is
/// ever made.
///
/// Query i of head h gives
///
///     out_i = Σ_j exp(s_ij) v_j / Σ_j exp(s_ij),   s_ij = scale · q_i·k_j
///     lse_i = ln Σ_j exp(s_ij)
///
/// over the keys j that the cache holds and `selections[h]` shows to the query at i. Work is
/// proportional to the selected pairs, memory to the selected keys. Tokens of a cold tier are
/// attended to as decoded. One kernel, one owner: it keeps scratch memory between calls.
public final class AttentionKernel {
  public let workers: WorkerPool
  /// Nanoseconds spent so far on gathering the tokens of runs, which counts as selecting rather
  /// than attending.
  public internal(set) var gatheringTime: UInt64 = 0
  var tileScratch: [TileScratch] = []
  /// Tokens in the reach of windows, by KV head.
  var windowKeys: [PackedKeys] = []
  /// Tokens in runs, by query head.
  var gatheredKeys: [PackedKeys] = []
  /// Results of the parts of caches, for few queries.
  let partialBuffer = FloatBuffer()
  var partScratch: [FloatBuffer] = []

  public init(workers: WorkerPool) { self.workers = workers }

  /// Attends for rows of `queries`.
  ///
  /// - Parameters:
  ///   - queries: (tokens x queryHeads·headDimension); head h takes columns h·d ..< (h+1)·d.
  ///   - rows: the rows of `queries` to attend for.
  ///   - firstPosition: the token position of row 0; rows are consecutive tokens, and the cache
  ///     holds their keys.
  ///   - heads: one cache a KV head.
  ///   - selections: one a query head.
  ///   - output: columns as in `queries`; those of its rows that belong to `rows` are overwritten.
  ///   - firstOutputRow: the row of `queries` that row 0 of `output` belongs to.
  ///   - logSumExp: natural logarithms, (queryHeads x tokens) row-major; `rows` are overwritten.
  /// - Returns: the pairs that were selected and those that were computed, by query head.
  public func attend(
    queries: Matrix, rows: Range<Int>, firstPosition: Int, shape: AttentionShape,
    heads: [KVHead], selections: [Selection], exactAbove: Double? = nil, output: inout Matrix,
    firstOutputRow: Int = 0, logSumExp: inout [Float]
  ) -> [PairCounts] {
    attend(
      queries: queries, blocks: [QueryBlock(rows: rows, selections: selections)],
      firstPosition: firstPosition, shape: shape, heads: heads, exactAbove: exactAbove,
      output: &output, firstOutputRow: firstOutputRow, logSumExp: &logSumExp)
  }

  /// Attends for several blocks of rows at once, each with its own selections: shared keys are
  /// packed once, and all tiles are distributed together.
  ///
  /// - Parameters:
  ///   - blocks: ascending, disjoint.
  ///   - exactAbove: of a few queries that see all of caches in `nested`, tokens with a larger share of a query head's
  ///     attention are read whole, of others only the highest bits; nil to read all whole.
  /// - Returns: the pairs that were selected and those that were computed, by query head.
  public func attend(
    queries: Matrix, blocks: [QueryBlock], firstPosition: Int, shape: AttentionShape,
    heads: [KVHead], exactAbove: Double? = nil, output: inout Matrix, firstOutputRow: Int = 0,
    logSumExp: inout [Float]
  ) -> [PairCounts] {
    let d = shape.headDimension
    precondition(
      queries.columns == shape.queryHeads * d && output.columns == queries.columns
        && firstOutputRow >= 0 && logSumExp.count == shape.queryHeads * queries.rows,
      """
      AttentionKernel: queries \(queries.rows) x \(queries.columns), output \(output.rows) x \
      \(output.columns) from row \(firstOutputRow) on, \(logSumExp.count) sums for \
      \(shape.queryHeads) heads of \(d)
      """)
    let written = firstOutputRow..<min(firstOutputRow + output.rows, queries.rows)
    var end = written.lowerBound
    for block in blocks {
      precondition(
        heads.count == shape.kvHeads && block.selections.count == shape.queryHeads
          && block.rows.lowerBound >= end && block.rows.upperBound <= written.upperBound,
        """
        AttentionKernel: \(heads.count) caches, \(block.selections.count) selections, rows \
        \(block.rows) from \(end) on of \(written)
        """)
      end = block.rows.upperBound
    }
    var counts = [PairCounts](repeating: PairCounts(), count: shape.queryHeads)
    let blocks = blocks.filter { !$0.rows.isEmpty }
    guard let only = blocks.first else { return counts }
    queries.elements.withUnsafeBufferPointer { query in
      output.elements.withUnsafeMutableBufferPointer { out in
        logSumExp.withUnsafeMutableBufferPointer { sums in
          let buffers = AttentionBuffers(
            queries: query.baseAddress!, output: out.baseAddress!, firstOutputRow: firstOutputRow,
            logSumExp: sums.baseAddress!)
          func step(_ block: QueryBlock) -> AttentionStep {
            AttentionStep(
              rows: block.rows, firstPosition: firstPosition, shape: shape, tokens: queries.rows)
          }
          if heads.contains(where: { $0.cold != nil }) {
            for block in blocks {
              attendFew(
                step(block), buffers, heads: heads, selections: block.selections,
                exactAbove: exactAbove, counts: &counts)
            }
          } else if blocks.count > 1 {
            attendBlocks(blocks, step(only), buffers, heads: heads, counts: &counts)
          } else if only.rows.count <= Self.fewQueries {
            attendFew(
              step(only), buffers, heads: heads, selections: only.selections,
              exactAbove: exactAbove, counts: &counts)
          } else {
            attendTiled(
              step(only), buffers, heads: heads, selections: only.selections, counts: &counts)
          }
        }
      }
    }
    return counts
  }

  /// Up to this many queries, reading the cache in place is faster than packing it into tiles; with
  /// cold tokens it is the only way.
  public static let fewQueries = 2
}

/// Consecutive rows of queries, and what each query head attends to in all of them.
public struct QueryBlock: Sendable {
  public var rows: Range<Int>
  /// One a query head.
  public var selections: [Selection]

  public init(rows: Range<Int>, selections: [Selection]) {
    self.rows = rows
    self.selections = selections
  }
}

/// The query-key pairs that a call selected, and those that the kernel computed (including masked
/// parts of tiles).
public struct PairCounts: Sendable, Hashable {
  public var nominal = 0
  public var computed = 0

  public init(nominal: Int = 0, computed: Int = 0) {
    self.nominal = nominal
    self.computed = computed
  }

  public static func + (left: PairCounts, right: PairCounts) -> PairCounts {
    PairCounts(
      nominal: left.nominal + right.nominal, computed: left.computed + right.computed)
  }

  public static func += (left: inout PairCounts, right: PairCounts) { left = left + right }
}

/// The sizes of one call.
struct AttentionStep {
  let rows: Range<Int>
  let firstPosition: Int
  let shape: AttentionShape
  let tokens: Int

  var positions: Range<Int> {
    firstPosition + rows.lowerBound..<firstPosition + rows.upperBound
  }
}

/// The memory of one call; valid while the call runs; its workers write disjoint places.
struct AttentionBuffers: @unchecked Sendable {
  let queries: UnsafePointer<Float>
  let output: UnsafeMutablePointer<Float>
  /// The row of the queries that row 0 of the output belongs to.
  let firstOutputRow: Int
  let logSumExp: UnsafeMutablePointer<Float>

  /// Where the result of a query head goes, for a row of the queries.
  func output(
    row: Int, head: Int, queryHeads: Int, headDimension: Int
  ) -> UnsafeMutablePointer<Float> {
    output + ((row - firstOutputRow) * queryHeads + head) * headDimension
  }
}
