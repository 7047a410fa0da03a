import Attention
import Foundation
import Kernels
import LabTestSupport
import Records
import Tensors
import Threads

@testable import Probes

/// Made-up queries, keys and values of a sequence, different in each layer.
struct MadeUpSequence {
  let shape: AttentionShape
  let tokens: Int
  let queries: [Matrix]
  let keys: [Matrix]
  let values: [Matrix]

  init(shape: AttentionShape, tokens: Int, seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "sequence")
    func random(_ columns: Int, scale: Double) -> Matrix {
      Matrix(
        rows: tokens, columns: columns,
        elements: (0..<tokens * columns).map { _ in Float(generator.normal() * scale) })
    }
    self.shape = shape
    self.tokens = tokens
    var queries: [Matrix] = []
    var keys: [Matrix] = []
    var values: [Matrix] = []
    for _ in 0..<shape.layers {
      queries.append(random(shape.queryHeads * shape.headDimension, scale: 1.3))
      keys.append(random(shape.kvHeads * shape.headDimension, scale: 1))
      values.append(random(shape.kvHeads * shape.headDimension, scale: 0.7))
    }
    self.queries = queries
    self.keys = keys
    self.values = values
  }

  func rows(_ range: Range<Int>, of matrix: Matrix) -> Matrix {
    Matrix(
      rows: range.count, columns: matrix.columns,
      elements: Array(
        matrix.elements[range.lowerBound * matrix.columns..<range.upperBound * matrix.columns]))
  }

  /// Runs a prompt, then decode steps of `step` tokens; gives the outputs of all tokens by layer.
  @discardableResult
  func run(_ attention: any LayerAttention, prompt: Int, step: Int = 1) -> [Matrix] {
    var outputs = [Matrix](
      repeating: Matrix(rows: 0, columns: shape.queryHeads * shape.headDimension),
      count: shape.layers)
    var position = 0
    while position < tokens {
      let end = position == 0 ? prompt : min(tokens, position + step)
      for layer in 0..<shape.layers {
        var output = Matrix(rows: end - position, columns: outputs[layer].columns)
        attention.attend(
          layer: layer, phase: position == 0 ? .prefill : .decode,
          queries: rows(position..<end, of: queries[layer]),
          keys: rows(position..<end, of: keys[layer]),
          values: rows(position..<end, of: values[layer]), firstPosition: position,
          output: &output)
        outputs[layer] = Matrix(
          rows: end, columns: output.columns,
          elements: outputs[layer].elements + output.elements)
      }
      position = end
    }
    return outputs
  }

  func reference(layer: Int) -> ReferenceAttention {
    ReferenceAttention(
      shape: shape, queries: queries[layer], keys: keys[layer], values: values[layer])
  }
}

let probeShape = AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 16)

func session(
  _ strategy: some AttentionStrategy, shape: AttentionShape = probeShape
) -> AttentionSession {
  AttentionSession(strategy, shape: shape, workspace: Workspace(workers: WorkerPool()))
}

func fullSession(_ shape: AttentionShape = probeShape) -> AttentionSession {
  session(FullAttention(), shape: shape)
}

func streamingSession(
  sinks: Int = 2, localWindow: Int = 6, shape: AttentionShape = probeShape,
  _ change: (inout StreamingLLM) -> Void = { _ in }
) -> AttentionSession {
  let strategy = StreamingLLM {
    $0.sinks = sinks
    $0.localWindow = localWindow
    change(&$0)
  }
  return session(strategy, shape: shape)
}

/// What StreamingLLM shows the query at a position.
func streamed(_ query: Int, sinks: Int = 2, localWindow: Int = 6) -> [Int] {
  (0...query).filter { $0 < sinks || $0 > query - localWindow }
}

extension AttentionSession {
  /// Changes the first channel of one cached value before the query at a position attends.
  func spoil(
    layer: Int, kvHead: Int, token: Int, before position: Int,
    _ change: @escaping (Float) -> Float
  ) {
    observer = { view, decision, _ in
      guard view.layer == layer, case .attending(let queries) = decision,
        queries.contains(position)
      else { return }
      let head = view.heads[kvHead]
      let keys = head.keys.copy
      var values = head.values.copy
      values[token, 0] = change(values[token, 0])
      head.removeAll()
      head.append(keys: keys, values: values, column: 0, firstPosition: 0)
    }
  }
}

extension Rows {
  fileprivate var copy: Matrix {
    Matrix(
      rows: count, columns: width,
      elements: Array(elements[firstElement..<firstElement + count * width]))
  }
}
