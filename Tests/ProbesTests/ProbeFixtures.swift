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

func fullSession(_ shape: AttentionShape = probeShape) -> any StrategySession {
  AttentionSession(FullAttention(), shape: shape, workspace: Workspace(workers: WorkerPool()))
}

func streamingSession(
  sinks: Int = 2, localWindow: Int = 6, shape: AttentionShape = probeShape
) throws -> any StrategySession {
  AttentionSession(
    try StreamingLLM(.init(sinks: sinks, localWindow: localWindow), for: shape), shape: shape,
    workspace: Workspace(workers: WorkerPool()))
}

/// What StreamingLLM shows the query at a position.
func streamed(_ query: Int, sinks: Int = 2, localWindow: Int = 6) -> [Int] {
  (0...query).filter { $0 < sinks || $0 > query - localWindow }
}

/// A session with one thing changed on its way out.
final class AlteredSession: StrategySession {
  let base: any StrategySession
  var logitsAreDense = true
  /// Called with the output of each call.
  var alter: (_ layer: Int, _ firstPosition: Int, _ output: inout Matrix) -> Void = { _, _, _ in }

  init(_ base: any StrategySession) {
    self.base = base
    logitsAreDense = base.logitsAreDense
  }

  var description: StrategyDescription { base.description }

  var readsFuture: Bool { base.readsFuture }
  func foresee(_ future: FutureAttention) { base.foresee(future) }

  var shape: AttentionShape { base.shape }
  var caches: [[KVHead]] { base.caches }
  var logSumExp: [Float] { base.logSumExp }
  var pairs: [PairCounts] { base.pairs }
  var coldFormat: ColdFormat? { base.coldFormat }
  var stateBytes: Int { base.stateBytes }
  var lastSelections: HeadSelections { base.lastSelections }
  var times: [AttentionPhase: StageTimes] { base.times }
  func queriesDecodedTogether(from position: Int) -> Int {
    base.queriesDecodedTogether(from: position)
  }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) {
    base.attend(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    alter(layer, firstPosition, &output)
  }
}
