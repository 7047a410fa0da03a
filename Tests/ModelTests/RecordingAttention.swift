import Attention
import Tensors

/// Attention that lets another do the work and keeps what went in and came out of each layer.
final class RecordingAttention: LayerAttention {
  struct Layer {
    var queries: Matrix
    var keys: Matrix
    var values: Matrix
    var output: Matrix
  }

  let base: any LayerAttention
  private var step: (keys: Matrix, values: Matrix)?
  var layers: [Layer] = []

  init(_ base: any LayerAttention) { self.base = base }

  var shape: AttentionShape { base.shape }

  func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) { step = (keys, values) }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    guard let (keys, values) = step.take() else { preconditionFailure("queries without keys") }
    var output = Matrix(rows: queries.rows, columns: queries.columns)
    let outcome = base.attend(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    layers.append(Layer(queries: queries, keys: keys, values: values, output: output))
    take(0..<queries.rows, output)
    return outcome
  }

  func queriesDecodedTogether(from position: Int) -> Int {
    base.queriesDecodedTogether(from: position)
  }
}
