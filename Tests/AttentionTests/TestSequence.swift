import Attention
import Kernels
import LabTestSupport
import Records
import Tensors
import Threads

/// Random queries, keys and values, and their way through a session.
struct TestSequence {
  let attention: ReferenceAttention

  var shape: AttentionShape { attention.shape }

  init(_ attention: ReferenceAttention) { self.attention = attention }

  init(_ shape: AttentionShape, tokens: Int, seed: Int, deviation: Double = 1.3) {
    var generator = SeededGenerator(seed: seed, purpose: "sequence")
    func random(_ columns: Int) -> Matrix {
      Matrix(
        rows: tokens, columns: columns,
        elements: (0..<tokens * columns).map { _ in Float(deviation * generator.normal()) })
    }
    attention = ReferenceAttention(
      shape: shape, queries: random(shape.queryHeads * shape.headDimension),
      keys: random(shape.kvHeads * shape.headDimension),
      values: random(shape.kvHeads * shape.headDimension))
  }

  /// Runs some tokens through a layer.
  @discardableResult
  func run(
    _ session: any LayerAttention, _ tokens: Range<Int>, _ phase: AttentionPhase,
    layer: Int = 0
  ) -> Matrix { attend(session, tokens, phase, layer: layer).output }

  /// The same, with what came of it beside the output.
  func attend(
    _ session: any LayerAttention, _ tokens: Range<Int>, _ phase: AttentionPhase,
    layer: Int = 0
  ) -> (output: Matrix, outcome: AttentionOutcome) {
    var output = Matrix(rows: tokens.count, columns: attention.queries.columns)
    let outcome = session.attend(
      layer: layer, phase: phase, queries: Self.rows(tokens, of: attention.queries),
      keys: Self.rows(tokens, of: attention.keys),
      values: Self.rows(tokens, of: attention.values), firstPosition: tokens.lowerBound,
      output: &output)
    return (output, outcome)
  }

  /// What a strategy is shown of the whole sequence as a prompt.
  func view(layer: Int = 0, workspace: Workspace = Workspace(workers: WorkerPool())) -> LayerView {
    let d = shape.headDimension
    let heads = (0..<shape.kvHeads).map { kvHead in
      let head = KVHead(headDimension: d)
      head.append(
        keys: attention.keys, values: attention.values, column: kvHead * d, firstPosition: 0)
      return head
    }
    return LayerView(
      layer: layer, shape: shape, phase: .prefill, queries: attention.queries,
      firstQueryPosition: 0, heads: heads, workspace: workspace)
  }

  static func rows(_ range: Range<Int>, of matrix: Matrix) -> Matrix {
    Matrix(
      rows: range.count, columns: matrix.columns,
      elements: Array(
        matrix.elements[range.lowerBound * matrix.columns..<range.upperBound * matrix.columns]))
  }
}
