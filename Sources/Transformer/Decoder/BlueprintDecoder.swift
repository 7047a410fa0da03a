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

  /// Checks the whole file: every setting of the architecture, every tensor and its shape, and that
  /// the file's vocabulary, where it has one, has no token beyond the embedding.
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
    attention: any LayerAttention, keeping: Range<Int>, afterLayer: ((Int) throws -> Void)?
  ) throws -> Matrix {
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
      attend(
        index, layer, phase: phase, attention, firstPosition: firstPosition,
        keeping: index == weights.layers.count - 1 ? keeping : 0..<tokens.count, &pass)
      addFeedForward(layer, &pass)
      try afterLayer?(index)
    }
    var hidden = Matrix(rows: keeping.count, columns: blueprint.hiddenSize)
    normalize(0..<keeping.count, of: pass.residual, weights.outputNorm, into: &hidden)
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

  /// Norm, projections, norms of heads, rotation, the attention itself, and what it adds to the
  /// residual stream, of which only the rows `keeping` stay.
  func attend(
    _ index: Int, _ layer: DecoderWeights.Layer, phase: AttentionPhase,
    _ attention: any LayerAttention, firstPosition: Int, keeping: Range<Int>,
    _ pass: inout ForwardScratch
  ) {
    let pieces = TokenPieces.of(pass.tokens)
    pass.makeRoomForKeys()
    for rows in pieces {
      normalize(rows, layer.attentionNorm, &pass)
      if pieces.count == 1, layer.key.bias == nil, layer.value.bias == nil {
        kernel.multiply(
          pass.normed, layer.key.weights, layer.value.weights, into: &pass.keys, &pass.values)
      } else {
        project(pass.normed, layer.key, into: &pass.keys, rows: rows)
        project(pass.normed, layer.value, into: &pass.values, rows: rows)
      }
    }
    normalizeHeads(of: &pass.keys, layer.keyNorm)
    rotary[index]?.rotate(&pass.keys, firstPosition: firstPosition, workers: workspace.workers)
    attention.cache(
      layer: index, phase: phase, keys: pass.keys, values: pass.values,
      firstPosition: firstPosition)
    pass.freeKeys()

    pass.makeRoomForQueries()
    for rows in pieces {
      // Of one piece they are there still.
      if pieces.count > 1 { normalize(rows, layer.attentionNorm, &pass) }
      project(pass.normed, layer.query, into: &pass.queries, rows: rows)
    }
    normalizeHeads(of: &pass.queries, layer.queryNorm)
    rotary[index]?.rotate(&pass.queries, firstPosition: firstPosition, workers: workspace.workers)
    pass.narrow(to: keeping)
    attention.attend(
      layer: index, phase: phase, queries: pass.queries, firstPosition: firstPosition
    ) { rows, attended in
      let kept = rows.clamped(to: keeping)
      guard !kept.isEmpty else { return }
      addAttended(
        kept == rows
          ? attended
          : attended.copy(
            ofRows: kept.lowerBound - rows.lowerBound..<kept.upperBound - rows.lowerBound),
        layer, firstRow: kept.lowerBound - keeping.lowerBound, &pass)
    }
    pass.freeQueries()
  }

  /// `output[rows] = input · Wᵀ + b`.
  private func project(
    _ input: Matrix, _ projection: DecoderWeights.Projection, into output: inout Matrix,
    rows: Range<Int>
  ) {
    if let bias = projection.bias { output.fill(rows, with: bias) }
    kernel.multiply(
      input, projection.weights, into: &output, firstRow: rows.lowerBound,
      adding: projection.bias != nil)
  }

  private func normalizeHeads(of matrix: inout Matrix, _ weight: [Float]?) {
    guard let weight else { return }
    Normalization.rms(
      headsOf: &matrix, weight: weight, epsilon: blueprint.rmsEpsilon, workers: workspace.workers)
  }

  /// residual[firstRow + i, :] += attended[i, :] · Oᵀ, or its norm.
  func addAttended(
    _ attended: Matrix, _ layer: DecoderWeights.Layer, firstRow: Int, _ pass: inout ForwardScratch
  ) {
    guard let norm = layer.attentionOutputNorm else {
      kernel.multiply(
        attended, layer.attentionOutput, into: &pass.residual, firstRow: firstRow, adding: true)
      return
    }
    pass.makeNormed(rows: attended.rows)
    kernel.multiply(attended, layer.attentionOutput, into: &pass.normed)
    addNorm(norm, of: pass.normed, to: &pass.residual, firstRow: firstRow)
  }

  /// residual += (f(n · Gᵀ) * (n · Uᵀ)) · Dᵀ, or its norm, where n is the residual's norm and f the
  /// activation; in tiles of tokens.
  func addFeedForward(_ layer: DecoderWeights.Layer, _ pass: inout ForwardScratch) {
    let ranges = (0..<pass.residual.rows).cut(intoAtMost: ForwardScratch.tileRows)
    for range in ranges {
      let tile = pass.tile(rows: range.count, blueprint)
      normalize(
        range, of: pass.residual, layer.feedForwardNorm, into: &pass.tiles[tile].rows)
      pass.tiles[tile].widen(layer, kernel)
      blueprint.activation.multiply(
        gate: &pass.tiles[tile].gate, up: pass.tiles[tile].up, workers: workspace.workers)
      let norm = layer.feedForwardOutputNorm
      if ranges.count == 1, norm == nil {
        kernel.multiply(
          pass.tiles[tile].gate, layer.down, into: &pass.residual, adding: true)
        return
      }
      kernel.multiply(pass.tiles[tile].gate, layer.down, into: &pass.tiles[tile].rows)
      if let norm {
        addNorm(norm, of: pass.tiles[tile].rows, to: &pass.residual, firstRow: range.lowerBound)
      } else {
        pass.residual.add(pass.tiles[tile].rows, firstRow: range.lowerBound)
      }
    }
    pass.freeTiles()
  }

  private func addNorm(
    _ weight: [Float], of rows: Matrix, to residual: inout Matrix, firstRow: Int
  ) {
    Normalization.addRMS(
      rows, weight: weight, epsilon: blueprint.rmsEpsilon, to: &residual, firstRow: firstRow,
      workers: workspace.workers)
  }

  /// `normed` becomes the norms of a piece of the residual stream.
  private func normalize(_ rows: Range<Int>, _ weight: [Float], _ pass: inout ForwardScratch) {
    pass.makeNormed(rows: rows.count)
    normalize(rows, of: pass.residual, weight, into: &pass.normed)
  }

  private func normalize(
    _ rows: Range<Int>, of input: Matrix, _ weight: [Float], into output: inout Matrix
  ) {
    Normalization.rms(
      input, rows: rows, weight: weight, epsilon: blueprint.rmsEpsilon, into: &output,
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
