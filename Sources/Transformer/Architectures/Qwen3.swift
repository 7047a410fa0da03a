import Tensors

extension Architecture {
  /// Qwen 3, dense: no biases; each head is normalised before its rotation.
  static let qwen3 = Architecture(name: "qwen3") { metadata throws(ModelError) in
    let rotary = try metadata.scaledRotary(layout: .halfSplit, usualBase: 10_000)
    var blueprint = try metadata.blueprint(geometry: try metadata.layersAlike(rotary))
    blueprint.normalizesHeads = true
    return blueprint
  }
}
