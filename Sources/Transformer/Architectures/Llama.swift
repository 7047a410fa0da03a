import Tensors

extension Architecture {
  /// Llama 2 and 3, SmolLM2, Mistral and their kin: all layers alike, interleaved rotary pairs, the
  /// frequencies divided by factors where the file has them (Llama 3.1), biases where it has them.
  static let llama = Architecture(name: "llama") { metadata throws(ModelError) in
    var rotary = try metadata.scaledRotary(layout: .interleaved, usualBase: 10_000)
    try metadata.divideFrequencies(of: &rotary)
    var blueprint = try metadata.blueprint(geometry: try metadata.layersAlike(rotary))
    blueprint.hasBiases = metadata.tensors.has(DecoderWeights.firstBiasName)
    if let window = try metadata.optionalSize("attention.sliding_window") {
      // All layers have it: texts stay inside, see `contextLength`.
      blueprint.contextLength = min(blueprint.contextLength, window)
    }
    return blueprint
  }
}
