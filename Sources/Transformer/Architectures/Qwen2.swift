import Tensors

extension Architecture {
  /// Qwen 2 and 2.5 and what is distilled into them: biases, rotary pairs of halves.
  static let qwen2 = Architecture(name: "qwen2") { metadata throws(ModelError) in
    let rotary = try metadata.scaledRotary(layout: .halfSplit, usualBase: 10_000)
    var blueprint = try metadata.blueprint(geometry: try metadata.layersAlike(rotary))
    blueprint.hasBiases = true
    return blueprint
  }
}
