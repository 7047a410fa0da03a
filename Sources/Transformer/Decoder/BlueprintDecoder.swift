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
  /// - Parameter name: what error messages call the file.
  public init(_ file: GGUFFile, workspace: Workspace, name: String) throws(ModelError) {
    self.name = name
    self.workspace = workspace
    blueprint = try DecoderBlueprint(file, name: name)
    weights = try DecoderWeights(file, blueprint, name: name)
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
  }

  /// Norm, projections, rotation, and the attention itself.
  func attend(
    _ index: Int, _ layer: DecoderWeights.Layer, phase: AttentionPhase,
    _ attention: any LayerAttention, firstPosition: Int, _ pass: inout ForwardScratch
  ) {
    normalize(pass.residual, layer.attentionNorm, into: &pass.normed)
    kernel.multiply(pass.normed, layer.query, into: &pass.queries)
    kernel.multiply(pass.normed, layer.key, into: &pass.keys)
    kernel.multiply(pass.normed, layer.value, into: &pass.values)
    if let rotary = rotary[index] {
      rotary.rotate(&pass.queries, firstPosition: firstPosition, workers: workspace.workers)
      rotary.rotate(&pass.keys, firstPosition: firstPosition, workers: workspace.workers)
    }
    attention.attend(
      layer: index, phase: phase, queries: pass.queries, keys: pass.keys, values: pass.values,
      firstPosition: firstPosition, output: &pass.attended)
  }

  /// residual += attended · Oᵀ.
  func addAttended(_ layer: DecoderWeights.Layer, _ pass: inout ForwardScratch) {
    kernel.multiply(pass.attended, layer.attentionOutput, into: &pass.residual, adding: true)
  }

  /// residual += (silu(n · Gᵀ) * (n · Uᵀ)) · Dᵀ, where n is its norm; in tiles of tokens.
  func addFeedForward(_ layer: DecoderWeights.Layer, _ pass: inout ForwardScratch) {
    normalize(pass.residual, layer.feedForwardNorm, into: &pass.normed)
    let ranges = ForwardScratch.tileRanges(rows: pass.residual.rows)
    for range in ranges {
      let tile = pass.tile(rows: range.count, blueprint)
      if ranges.count == 1 {
        activate(layer, pass.normed, &pass.tiles[tile])
        kernel.multiply(
          pass.tiles[tile].gate, layer.down, into: &pass.residual, adding: true)
      } else {
        pass.tiles[tile].read(range, of: pass.normed)
        activate(layer, pass.tiles[tile].rows, &pass.tiles[tile])
        kernel.multiply(pass.tiles[tile].gate, layer.down, into: &pass.tiles[tile].rows)
        pass.residual.add(pass.tiles[tile].rows, firstRow: range.lowerBound)
      }
    }
  }

  private func activate(
    _ layer: DecoderWeights.Layer, _ input: Matrix, _ tile: inout FeedForwardTile
  ) {
    kernel.multiply(input, layer.gate, into: &tile.gate)
    kernel.multiply(input, layer.up, into: &tile.up)
    Activation.siluMultiply(gate: &tile.gate, up: tile.up, workers: workspace.workers)
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
