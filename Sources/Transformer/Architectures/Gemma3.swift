import Tensors

extension Architecture {
  /// Gemma 3, its text part: five layers with a window, then one that attends globally, and so on.
  ///
  /// Norm weights are stored with the 1 that the model adds to them, so they are used as they are.
  static let gemma3 = Architecture(name: "gemma3") { metadata throws(ModelError) in
    let dimension = try metadata.headDimension()
    let global = LayerGeometry(
      headDimension: dimension,
      rotary: try metadata.scaledRotary(layout: .halfSplit, usualBase: 1_000_000),
      scale: try scale(&metadata))
    // Scaling is for the layers that look far.
    var local = global
    local.rotary = RotaryEmbedding(
      base: try metadata.rotaryBase("rope.freq_base_swa", usual: 10_000), dimensions: dimension,
      layout: .halfSplit)
    local.window = try metadata.size("attention.sliding_window")
    let layers = try metadata.layers()
    guard layers >= period else {
      throw metadata.problem(
        "block_count", "\(layers)",
        "at least \(period): every \(period)th layer of gemma3 attends globally, and there is none")
    }
    let pattern = "attention.sliding_window_pattern"
    if let stated = try metadata.optionalSize(pattern), stated != period {
      throw metadata.problem(pattern, "\(stated)", "\(period) (nothing else is implemented)")
    }
    var blueprint = try metadata.blueprint(
      geometry: (1...layers).map { $0 % period == 0 ? global : local })
    blueprint.activation = .gelu
    blueprint.embeddingScale = Float(blueprint.hiddenSize).squareRoot()
    blueprint.normalizesHeads = true
    blueprint.normalizesOutputs = true
    return blueprint
  }

  /// Every so many layers one attends globally.
  private static let period = 6

  /// Of its sizes the one with 62 layers, the 27B, alone scales by the hidden size over the number of
  /// heads instead of the head dimension; no key says so, and llama.cpp counts layers too.
  private static func scale(_ metadata: inout DecoderMetadata) throws(ModelError) -> Double? {
    guard try metadata.layers() == 62 else { return nil }
    let hidden = Double(try metadata.size("embedding_length"))
    return 1 / (hidden / Double(try metadata.size("attention.head_count"))).squareRoot()
  }
}
