import Foundation
import Kernels
import Tensors
import Threads

/// Attention under ``CachePositions``: recent keys with the query as it is, first keys with the
/// query rotated back, both combined through their log-sum-exps.
struct CacheRelativeAttention {
  let positions: CachePositions
  /// By layer.
  private let rotary: [RotaryTable?]

  /// Nil where no layer has rotary positions.
  init?(_ positions: CachePositions, _ shape: AttentionShape) {
    guard shape.isRotated else { return nil }
    self.positions = positions
    rotary = RotaryTable.tables(of: shape)
  }

  /// Whether keys are seen at other positions there than they were written with.
  func acts(on view: LayerView) -> Bool {
    rotary[view.layer] != nil && (view.phase == .decode || positions.actsInPrefill)
  }

  /// As `AttentionKernel.attend`, for `selections` of the first tokens and a window.
  func attend(
    _ view: LayerView, rows: Range<Int>, selections: [Selection], kernel: AttentionKernel,
    output: inout Matrix, firstOutputRow: Int, logSumExp: inout [Float]
  ) -> [PairCounts] {
    func attend(
      _ queries: Matrix, _ rows: Range<Int>, _ heads: [KVHead], _ selections: [Selection],
      _ output: inout Matrix, _ logSumExp: inout [Float]
    ) -> [PairCounts] {
      kernel.attend(
        queries: queries, rows: rows, firstPosition: view.firstQueryPosition, shape: view.shape,
        heads: heads, selections: selections, output: &output, firstOutputRow: firstOutputRow,
        logSumExp: &logSumExp)
    }
    let firstTurned = positions.lastPosition - view.firstQueryPosition + 1
    let border = min(max(rows.lowerBound, firstTurned), rows.upperBound)
    var counts = attend(
      view.queries, rows.lowerBound..<border, view.heads, selections, &output, &logSumExp)
    let turned = border..<rows.upperBound
    guard !turned.isEmpty else { return counts }

    let recent = selections.map { selection in
      var selection = selection
      selection.removeRuns()
      return selection
    }
    let recentCounts = attend(view.queries, turned, view.heads, recent, &output, &logSumExp)
    for head in counts.indices { counts[head] += recentCounts[head] }
    guard positions.sinks > 0 else { return counts }

    var queries = view.queries
    rotary[view.layer]?.turn(
      &queries, rows: turned, firstPosition: view.firstQueryPosition, to: positions.lastPosition,
      workers: kernel.workers)
    var first = Selection()
    first.keep(0..<positions.sinks)
    var sinkOutput = Matrix(rows: output.rows, columns: output.columns)
    var sinkSums = [Float](repeating: 0, count: logSumExp.count)
    let sinkCounts = attend(
      queries, turned, view.heads.map(firstTokens),
      Array(repeating: first, count: selections.count), &sinkOutput, &sinkSums)
    for head in counts.indices { counts[head] += sinkCounts[head] }
    merge(
      sinkOutput, sinkSums, into: &output, firstOutputRow: firstOutputRow, &logSumExp,
      rows: turned, of: view)
    return counts
  }

  /// A cache of only a head's first tokens: a query always sees itself, which it must not here.
  /// As floats, so that nothing is rounded a second time.
  private func firstTokens(of head: KVHead) -> KVHead {
    let first = KVHead(headDimension: head.headDimension, scale: head.scale)
    let slots = 0..<head.slot(atOrAfter: positions.sinks)
    guard !slots.isEmpty else { return first }
    func rows(_ source: Rows) -> Matrix {
      let elements = source.firstElement..<source.firstElement + source.count * source.width
      return Matrix(
        rows: source.count, columns: source.width, elements: Array(source.elements[elements]))
    }
    first.append(
      keys: rows(head.keys(in: slots)), values: rows(head.values(in: slots)), column: 0,
      firstPosition: 0)
    return first
  }

  /// out = (e^a · out + e^b · other) / (e^a + e^b), the log-sum-exp ln(e^a + e^b).
  private func merge(
    _ other: Matrix, _ otherSums: [Float], into output: inout Matrix, firstOutputRow: Int,
    _ sums: inout [Float], rows: Range<Int>, of view: LayerView
  ) {
    let columns = output.columns
    let d = view.shape.headDimension
    for head in 0..<view.shape.queryHeads {
      for row in rows {
        let place = head * view.queryCount + row
        let (a, b) = (Double(sums[place]), Double(otherSums[place]))
        let sum = max(a, b) + log1p(exp(-abs(a - b)))
        let (own, others) = (Float(exp(a - sum)), Float(exp(b - sum)))
        let first = (row - firstOutputRow) * columns + head * d
        for i in first..<first + d {
          output.elements[i] = own * output.elements[i] + others * other.elements[i]
        }
        sums[place] = Float(sum)
      }
    }
  }
}
