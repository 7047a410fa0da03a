import Kernels

/// The weights of a decoder. Matrices stay where the file is mapped; vectors are copied.
struct DecoderWeights {
  struct Layer {
    var attentionNorm: [Float]
    var query: Projection
    var key: Projection
    var value: Projection
    /// Weights of a head's norm, of queries and of keys (headDimension).
    var queryNorm: [Float]?
    var keyNorm: [Float]?
    var attentionOutput: WeightMatrix
    /// Of what attention gives, before the residual.
    var attentionOutputNorm: [Float]?
    var feedForwardNorm: [Float]
    var gate: WeightMatrix
    var up: WeightMatrix
    var down: WeightMatrix
    /// Of what the feed-forward network gives, before the residual.
    var feedForwardOutputNorm: [Float]?
  }

  /// `x · Wᵀ + b`.
  struct Projection {
    var weights: WeightMatrix
    var bias: [Float]?
  }

  /// (vocabularySize x hiddenSize)
  var embedding: WeightMatrix
  var layers: [Layer]
  var outputNorm: [Float]
  /// (vocabularySize x hiddenSize); the embedding where the file has no output matrix.
  var output: WeightMatrix

  static let embeddingName = "token_embd.weight"
  static let firstQueryName = "blk.0.attn_q.weight"
  static let firstBiasName = "blk.0.attn_q.bias"
  private static let outputName = "output.weight"

  /// Throws unless the file has exactly the tensors, each with the shape, that the blueprint asks
  /// for; those that were taken for it already are no others.
  init(_ tensors: inout DecoderTensors, _ blueprint: DecoderBlueprint) throws(ModelError) {
    let hidden = blueprint.hiddenSize
    let vocabulary = blueprint.vocabularySize
    embedding = try tensors.matrix(Self.embeddingName, columns: hidden, rows: vocabulary)
    layers = []
    for index in 0..<blueprint.shape.layers {
      layers.append(try Layer(&tensors, blueprint, prefix: "blk.\(index)."))
    }
    outputNorm = try tensors.vector("output_norm.weight", count: hidden)
    output =
      tensors.has(Self.outputName)
      ? try tensors.matrix(Self.outputName, columns: hidden, rows: vocabulary) : embedding
    if tensors.problems == nil, let problem = tensors.surplus(blueprint.architecture).first {
      throw problem
    }
  }

  /// Everything for which the initialiser would throw.
  ///
  /// - Parameter tensors: those that the blueprint was read with.
  static func problems(_ tensors: DecoderTensors, _ blueprint: DecoderBlueprint) -> [ModelError] {
    var tensors = tensors
    tensors.problems = tensors.problems ?? []
    do {
      _ = try DecoderWeights(&tensors, blueprint)
    } catch {
      preconditionFailure("DecoderWeights.problems: tensors that collect problems threw \(error)")
    }
    return (tensors.problems ?? []) + tensors.surplus(blueprint.architecture)
  }
}

extension DecoderWeights.Layer {
  fileprivate init(
    _ tensors: inout DecoderTensors, _ blueprint: DecoderBlueprint, prefix: String
  ) throws(ModelError) {
    let (hidden, inner) = (blueprint.hiddenSize, blueprint.feedForwardSize)
    let shape = blueprint.shape
    func matrix(_ name: String, columns: Int, rows: Int) throws(ModelError) -> WeightMatrix {
      try tensors.matrix("\(prefix)\(name).weight", columns: columns, rows: rows)
    }
    func norm(
      _ name: String, _ count: Int, if isThere: Bool
    ) throws(ModelError) -> [Float]? {
      try isThere ? tensors.vector("\(prefix)\(name).weight", count: count) : nil
    }
    func projection(_ name: String, rows: Int) throws(ModelError) -> DecoderWeights.Projection {
      DecoderWeights.Projection(
        weights: try matrix(name, columns: hidden, rows: rows),
        bias: try blueprint.hasBiases ? tensors.vector("\(prefix)\(name).bias", count: rows) : nil)
    }
    attentionNorm = try tensors.vector("\(prefix)attn_norm.weight", count: hidden)
    query = try projection("attn_q", rows: shape.queryColumns)
    key = try projection("attn_k", rows: shape.keyColumns)
    value = try projection("attn_v", rows: shape.keyColumns)
    queryNorm = try norm("attn_q_norm", shape.headDimension, if: blueprint.normalizesHeads)
    keyNorm = try norm("attn_k_norm", shape.headDimension, if: blueprint.normalizesHeads)
    attentionOutput = try matrix("attn_output", columns: shape.queryColumns, rows: hidden)
    attentionOutputNorm = try norm(
      "post_attention_norm", hidden, if: blueprint.normalizesOutputs)
    feedForwardNorm = try tensors.vector("\(prefix)ffn_norm.weight", count: hidden)
    gate = try matrix("ffn_gate", columns: hidden, rows: inner)
    up = try matrix("ffn_up", columns: hidden, rows: inner)
    down = try matrix("ffn_down", columns: inner, rows: hidden)
    feedForwardOutputNorm = try norm("post_ffw_norm", hidden, if: blueprint.normalizesOutputs)
  }
}
