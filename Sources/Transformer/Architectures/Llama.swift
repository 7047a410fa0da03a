import Tensors

extension Architecture {
  /// Llama 2, SmolLM2 and their kin: all layers alike, interleaved rotary pairs of one base.
  static let llama = Architecture(
    name: "llama",
    unusedSettings: [
      "attention.causal": ["true"],
      "attention.clamp_kqv": ["0", "0.0"],
      "attention.max_alibi_bias": ["0", "0.0"],
      "attention.sliding_window": ["0"],
      "expert_count": ["0"],
      "expert_used_count": ["0"],
      "rope.scale_linear": ["1", "1.0"],
      "rope.scaling.attn_factor": ["1", "1.0"],
      "rope.scaling.factor": ["0", "0.0", "1", "1.0"],
      "rope.scaling.finetuned": ["false", "true"],
      "rope.scaling.type": ["none"],
      "tensor_data_layout": ["reference", "Meta AI original pth"],
      "use_parallel_residual": ["false"],
    ]
  ) { metadata throws(ModelError) in
    let dimension = try metadata.headDimension()
    let rotary = RotaryEmbedding(
      base: try metadata.rotaryBase(), dimensions: dimension, layout: .interleaved)
    let layer = LayerGeometry(headDimension: dimension, rotary: rotary)
    return try metadata.blueprint(
      geometry: Array(repeating: layer, count: try metadata.layers()))
  }
}
