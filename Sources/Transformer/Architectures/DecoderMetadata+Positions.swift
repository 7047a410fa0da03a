import Tensors

/// How positions enter attention, and how far a model reaches: rotary embeddings and their scaling.
extension DecoderMetadata {
  /// The rotary embedding of a head, of `rope.freq_base` and scaled.
  ///
  /// - Parameter usualBase: where the file states none.
  mutating func scaledRotary(
    layout: RotaryEmbedding.Layout, usualBase: Double
  ) throws(ModelError) -> RotaryEmbedding {
    let base = try rotaryBase("rope.freq_base", usual: usualBase)
    let dimensions = try headDimension()
    guard let scaling = try scaling() else {
      return RotaryEmbedding(base: base, dimensions: dimensions, layout: layout)
    }
    let reach = try contextLength()
    return scaling.embedding(
      base: base, dimensions: dimensions, layout: layout, stated: try originalContextLength(),
      contextLength: openedFor ?? reach)
  }

  mutating func rotaryBase(_ key: String, usual: Double) throws(ModelError) -> Double {
    guard let base = try optionalNumber(key) else { return usual }
    guard base > 1, base.isFinite else { throw problem(key, "\(base)", "a number above 1") }
    return base
  }

  /// Divides each frequency by its factor in `rope_freqs.weight`, where the file has that. A scaling
  /// that was asked for stands in the place of those factors too.
  mutating func divideFrequencies(of rotary: inout RotaryEmbedding) throws(ModelError) {
    let tensor = "rope_freqs.weight"
    guard tensors.has(tensor) else { return }
    let factors = try tensors.divisors(tensor, count: rotary.frequencies.count)
    guard ropeScaling == nil else { return }
    for (pair, factor) in factors.enumerated() { rotary.frequencies[pair] /= Double(factor) }
  }

  // MARK: Context length

  /// The most tokens that the model takes. `context_length` is what a file's own scaling reaches,
  /// unless its factor and original length reach further; a scaling that was asked for starts from
  /// the original length.
  mutating func contextLength() throws(ModelError) -> Int {
    let stated = try size("context_length")
    let original = try optionalSize(Self.originalKey)
    if let ropeScaling {
      return min(
        ropeScaling.extended(ropeScaling.originalContextLength ?? original ?? stated),
        Self.sizeLimit)
    }
    guard let scaling = try scaling(), let original else { return stated }
    return min(max(stated, scaling.extended(original)), Self.sizeLimit)
  }

  /// The tokens that the model was made for before any scaling.
  private mutating func originalContextLength() throws(ModelError) -> Int {
    let stated = try size("context_length")
    return try optionalSize(Self.originalKey) ?? stated
  }

  // MARK: Scaling

  private static let originalKey = "rope.scaling.original_context_length"

  mutating func scaling() throws(ModelError) -> RotaryScaling? {
    let stated = try statedScaling()
    return ropeScaling ?? stated
  }

  /// `rope.scaling.*`, or the older `rope.scale_linear`, as llama.cpp reads them.
  private mutating func statedScaling() throws(ModelError) -> RotaryScaling? {
    let older = try factor("rope.scale_linear")
    let factor = try factor("rope.scaling.factor") ?? older ?? 1
    let word = try optionalText("rope.scaling.type") ?? "linear"
    if word == "none" { return nil }
    guard let type = RotaryScaling.Kind(rawValue: word) else {
      let known = ["none"] + RotaryScaling.Kind.allCases.map(\.rawValue)
      throw problem(
        "rope.scaling.type", word, known.map { "\"\($0)\"" }.joined(separator: ", "))
    }
    var scaling = RotaryScaling(type, factor: factor)
    if type == .yarn {
      scaling.betaFast = try positive("rope.scaling.yarn_beta_fast")
      scaling.betaSlow = try positive("rope.scaling.yarn_beta_slow")
      scaling.attentionFactor = try attentionFactor(factor)
    }
    if let problem = scaling.contradiction {
      throw self.problem("rope.scaling.type", word, problem)
    }
    return scaling
  }

  /// 0.1 ln s + 1, over the same with the logarithm times `yarn_log_multiplier` where the file has
  /// that, times `attn_factor`.
  private mutating func attentionFactor(_ factor: Double) throws(ModelError) -> Double {
    let usual = RotaryScaling.attentionFactor(factor)
    let multiplier = try optionalNumber("rope.scaling.yarn_log_multiplier") ?? 0
    guard multiplier >= 0, multiplier.isFinite else {
      throw problem("rope.scaling.yarn_log_multiplier", "\(multiplier)", "0 (none) or more")
    }
    let stated = try positive("rope.scaling.attn_factor") ?? 1
    return usual * stated
      / (multiplier == 0 ? 1 : RotaryScaling.attentionFactor(factor, multiplier: multiplier))
  }

  /// 0 stands for none.
  private mutating func factor(_ key: String) throws(ModelError) -> Double? {
    guard let factor = try optionalNumber(key), factor != 0 else { return nil }
    guard factor >= 1, factor <= RotaryScaling.largestFactor else {
      throw problem(
        key, "\(factor)", "0 (none) or 1 to \(Int(RotaryScaling.largestFactor))")
    }
    return factor
  }

  private mutating func positive(_ key: String) throws(ModelError) -> Double? {
    guard let value = try optionalNumber(key) else { return nil }
    guard value > 0, value.isFinite else { throw problem(key, "\(value)", "a number above 0") }
    return value
  }
}
