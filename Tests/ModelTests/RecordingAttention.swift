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
  var layers: [Layer] = []

  init(_ base: any LayerAttention) { self.base = base }

  var shape: AttentionShape { base.shape }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) -> AttentionOutcome {
    let outcome = base.attend(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    layers.append(Layer(queries: queries, keys: keys, values: values, output: output))
    return outcome
  }

  func queriesDecodedTogether(from position: Int) -> Int {
    base.queriesDecodedTogether(from: position)
  }
}
