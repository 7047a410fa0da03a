import Attention
import GGUF
import Kernels
import Tensors

/// A decoder from a GGUF file, which computes what its blueprint says.
///
/// Weights stay as the file holds them, mapped and quantised; arithmetic is float32. A forward pass
/// has one owner and is synchronous: its parallelism is inside the kernels, over the workspace's
/// threads. The model keeps no sequence: what it has seen lies in the ``LayerAttention`` that each
/// pass is given.
public final class BlueprintDecoder: DecoderModel {
  /// The file, as the user named it.
  public let name: String
  public let blueprint: DecoderBlueprint
  public let workspace: Workspace
  let weights: DecoderWeights
  let kernel: MatrixKernel
  /// By layer.
  private let rotary: [RotaryTable?]
  /// Matrices of the last decode step, for the next; a prompt's are freed when it ends.
  var scratch: ForwardScratch?
  /// (1 or logitsTileRows x vocabulary), for the next call.
  var logitsTile: Matrix

  /// Checks the whole file: every setting of the architecture, every tensor and its shape.
  ///
  /// - Parameters:
  ///   - name: what error messages call the file.
  ///   - ropeScaling: takes the place of the file's own.
  ///   - contextLength: the tokens that it is opened for, at most the model's context length, which
  ///     it is if not given; what it computes depends on them under `dynamic-ntk` alone.
  public init(
    _ file: GGUFFile, workspace: Workspace, name: String, ropeScaling: RotaryScaling? = nil,
    openedFor contextLength: Int? = nil
  ) throws(ModelError) {
    self.name = name
    self.workspace = workspace
    var metadata = try DecoderMetadata(
      file, name: name, ropeScaling: ropeScaling, openedFor: contextLength)
    blueprint = try metadata.blueprint()
    weights = try DecoderWeights(&metadata.tensors, blueprint)
    kernel = MatrixKernel(workers: workspace.workers)
    rotary = RotaryTable.tables(of: blueprint.shape)
    logitsTile = Matrix(rows: 0, columns: blueprint.vocabularySize)
  }

  public var shape: AttentionShape { blueprint.shape }
  public var contextLength: Int { blueprint.contextLength }

  public func forward(
    _ tokens: [Int32], firstPosition: Int, phase: AttentionPhase,
    attention: any LayerAttention, keeping: Range<Int>, afterLayer: ((Int) -> Void)?
  ) throws(ModelError) -> Matrix {
    precondition(
      keeping.lowerBound >= 0 && keeping.upperBound <= tokens.count && firstPosition >= 0,
      """
      BlueprintDecoder.forward: keeping \(keeping) of \(tokens.count) tokens from position \
      \(firstPosition)
      """)
    precondition(
      attention.shape == shape,
      "BlueprintDecoder.forward: attention for \(attention.shape), model \(shape)")
    try check(tokens, firstPosition: firstPosition)

    var pass = takeScratch(tokens: tokens.count)
    embed(tokens, into: &pass.residual)
    for (index, layer) in weights.layers.enumerated() {
      attend(index, layer, phase: phase, attention, firstPosition: firstPosition, &pass)
      if index == weights.layers.count - 1 && keeping.count < tokens.count {
        pass.narrow(to: keeping)
      }
      addAttended(layer, &pass)
      addFeedForward(layer, &pass)
      afterLayer?(index)
    }
    var hidden = Matrix(rows: keeping.count, columns: blueprint.hiddenSize)
    normalize(pass.residual, weights.outputNorm, into: &hidden)
    if pass.residual.rows == tokens.count, tokens.count <= DecodeStep.mostTokens { scratch = pass }
    try checkFinite(hidden, firstPosition: firstPosition + keeping.lowerBound)
    return hidden
  }

  // MARK: Stages of a layer

  func embed(_ tokens: [Int32], into residual: inout Matrix) {
    for (row, token) in tokens.enumerated() {
      let embedding = weights.embedding.dequantizedRows(Int(token)..<Int(token) + 1)
      residual.replaceRows(from: row, with: embedding, rows: 0..<1)
    }
    let scale = blueprint.embeddingScale
    guard scale != 1 else { return }
    var elements = residual.elements.mutableSpan
    for i in elements.indices { elements[i] *= scale }
  }

  /// Norm, projections, norms of heads, rotation, and the attention itself.
  func attend(
    _ index: Int, _ layer: DecoderWeights.Layer, phase: AttentionPhase,
    _ attention: any LayerAttention, firstPosition: Int, _ pass: inout ForwardScratch
  ) {
    normalize(pass.residual, layer.attentionNorm, into: &pass.normed)
    project(pass.normed, layer.query, headNorm: layer.queryNorm, into: &pass.queries)
    project(pass.normed, layer.key, headNorm: layer.keyNorm, into: &pass.keys)
    project(pass.normed, layer.value, headNorm: nil, into: &pass.values)
    if let rotary = rotary[index] {
      rotary.rotate(&pass.queries, firstPosition: firstPosition, workers: workspace.workers)
      rotary.rotate(&pass.keys, firstPosition: firstPosition, workers: workspace.workers)
    }
    attention.attend(
      layer: index, phase: phase, queries: pass.queries, keys: pass.keys, values: pass.values,
      firstPosition: firstPosition, output: &pass.attended)
  }

  /// `output = input · Wᵀ + b`, then each head's norm.
  private func project(
    _ input: Matrix, _ projection: DecoderWeights.Projection, headNorm: [Float]?,
    into output: inout Matrix
  ) {
    if let bias = projection.bias { output.fillRows(with: bias) }
    kernel.multiply(
      input, projection.weights, into: &output, adding: projection.bias != nil)
    if let headNorm {
      Normalization.rms(
        headsOf: &output, weight: headNorm, epsilon: blueprint.rmsEpsilon,
        workers: workspace.workers)
    }
  }

  /// residual += attended · Oᵀ, or its norm.
  func addAttended(_ layer: DecoderWeights.Layer, _ pass: inout ForwardScratch) {
    guard let norm = layer.attentionOutputNorm else {
      kernel.multiply(pass.attended, layer.attentionOutput, into: &pass.residual, adding: true)
      return
    }
    kernel.multiply(pass.attended, layer.attentionOutput, into: &pass.normed)
    addNorm(norm, of: pass.normed, to: &pass.residual, firstRow: 0)
  }

  /// residual += (f(n · Gᵀ) * (n · Uᵀ)) · Dᵀ, or its norm, where n is the residual's norm and f the
  /// activation; in tiles of tokens.
  func addFeedForward(_ layer: DecoderWeights.Layer, _ pass: inout ForwardScratch) {
    normalize(pass.residual, layer.feedForwardNorm, into: &pass.normed)
    let ranges = ForwardScratch.tileRanges(rows: pass.residual.rows)
    for range in ranges {
      let tile = pass.tile(rows: range.count, blueprint)
      let norm = layer.feedForwardOutputNorm
      if ranges.count == 1, norm == nil {
        activate(layer, pass.normed, &pass.tiles[tile])
        kernel.multiply(
          pass.tiles[tile].gate, layer.down, into: &pass.residual, adding: true)
        return
      }
      pass.tiles[tile].read(range, of: pass.normed)
      activate(layer, pass.tiles[tile].rows, &pass.tiles[tile])
      kernel.multiply(pass.tiles[tile].gate, layer.down, into: &pass.tiles[tile].rows)
      if let norm {
        addNorm(norm, of: pass.tiles[tile].rows, to: &pass.residual, firstRow: range.lowerBound)
      } else {
        pass.residual.add(pass.tiles[tile].rows, firstRow: range.lowerBound)
      }
    }
  }

  private func addNorm(
    _ weight: [Float], of rows: Matrix, to residual: inout Matrix, firstRow: Int
  ) {
    Normalization.addRMS(
      rows, weight: weight, epsilon: blueprint.rmsEpsilon, to: &residual, firstRow: firstRow,
      workers: workspace.workers)
  }

  private func activate(
    _ layer: DecoderWeights.Layer, _ input: Matrix, _ tile: inout FeedForwardTile
  ) {
    kernel.multiply(input, layer.gate, into: &tile.gate)
    kernel.multiply(input, layer.up, into: &tile.up)
    blueprint.activation.multiply(gate: &tile.gate, up: tile.up, workers: workspace.workers)
  }

  private func normalize(_ input: Matrix, _ weight: [Float], into output: inout Matrix) {
    Normalization.rms(
      input, weight: weight, epsilon: blueprint.rmsEpsilon, into: &output,
      workers: workspace.workers)
  }

  // MARK: Scratch and checks

  public func releaseScratch() {
    scratch = nil
    logitsTile = Matrix(rows: 0, columns: blueprint.vocabularySize)
  }

  private func takeScratch(tokens: Int) -> ForwardScratch {
    defer { scratch = nil }
    if let scratch, scratch.tokens == tokens { return scratch }
    return ForwardScratch(tokens: tokens, blueprint)
  }

  private func check(_ tokens: [Int32], firstPosition: Int) throws(ModelError) {
    guard !tokens.isEmpty else { throw ModelError(file: name, .noTokens) }
    guard firstPosition <= blueprint.contextLength - tokens.count else {
      throw ModelError(
        file: name,
        .contextExceeded(
          firstPosition: firstPosition, tokenCount: tokens.count,
          contextLength: blueprint.contextLength))
    }
    for (index, token) in tokens.enumerated()
    where token < 0 || Int(token) >= blueprint.vocabularySize {
      throw ModelError(
        file: name,
        .tokenOutOfRange(
          token: Int(token), index: index, vocabularySize: blueprint.vocabularySize))
    }
  }

  private func checkFinite(_ hidden: Matrix, firstPosition: Int) throws(ModelError) {
    for row in 0..<hidden.rows {
      var sum: Float = 0
      for value in hidden.elements[row * hidden.columns..<(row + 1) * hidden.columns] {
        sum += value * 0
      }
      guard sum == 0 else {
        throw ModelError(file: name, .outputNotFinite(position: firstPosition + row))
      }
    }
  }
}
