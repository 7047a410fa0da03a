import Attention
import Synthesis
import Tensors
import Threads
import Transformer

/// Attention inputs with the face of a model: a pass over it calls attention at every layer, and that is all it costs.
///
/// A prompt's first token is the number of its stream (a sample of inputs); rows follow from stream and position, and
/// the tokens after a prompt go on with its stream, whatever they are. Inputs are made before a pass is timed and kept
/// for the passes over the same prompt, outside of any KV cache.
final class SyntheticDecoder: DecoderModel {
  let shape: AttentionShape
  let workspace: Workspace
  private let name: String
  private let inputs: SyntheticInputs
  private var kept: KeptInputs?

  /// What is kept of one stream: a prompt's rows and those of the tokens after it, by layer.
  private struct KeptInputs {
    var stream: Int
    var prompt: [SyntheticInputs.Rows]
    var steps: [SyntheticInputs.Rows]
    var promptTokens: Int
    var decodeTokens: Int
  }

  init(_ geometry: SyntheticGeometry, name: String, workspace: Workspace) {
    self.name = name
    self.workspace = workspace
    shape = geometry.shape
    inputs = SyntheticInputs(geometry)
  }

  var contextLength: Int { SyntheticGeometry.contextLength }
  var carriesOutput: Bool { false }

  /// Decode steps whose inputs are made together, where nobody said how many come.
  private static let stepsTogether = 64

  func prepare(_ prompt: [Int32], decodeTokens: Int) throws {
    let stream = Int(prompt.first ?? 0)
    if let kept, kept.stream == stream, kept.promptTokens == prompt.count {
      if kept.decodeTokens < decodeTokens { makeSteps(decodeTokens) }
      return
    }
    let bytes = inputs.geometry.inputBytes(tokens: Double(prompt.count))
    guard bytes < 0.9 * Double(ProcessMemory.physicalBytes) else {
      throw SyntheticError(
        model: name, tokens: prompt.count, megabytes: Int(min(bytes / 1e6, 1e15)),
        machineMegabytes: ProcessMemory.physicalBytes / 1_000_000)
    }
    kept = nil
    kept = KeptInputs(
      stream: stream, prompt: rows(0..<prompt.count, stream: stream), steps: [],
      promptTokens: prompt.count, decodeTokens: 0)
    makeSteps(max(decodeTokens, Self.stepsTogether))
  }

  private func makeSteps(_ count: Int) {
    guard let kept else { return }
    self.kept?.steps = rows(
      kept.promptTokens..<kept.promptTokens + count, stream: kept.stream)
    self.kept?.decodeTokens = count
  }

  private func rows(_ positions: Range<Int>, stream: Int) -> [SyntheticInputs.Rows] {
    (0..<shape.layers).map {
      inputs.rows(positions, layer: $0, stream: stream, workers: workspace.workers)
    }
  }

  func forward(
    _ tokens: [Int32], firstPosition: Int, phase: AttentionPhase,
    attention: any LayerAttention, keeping: Range<Int>, afterLayer: ((Int) throws -> Void)?
  ) throws -> Matrix {
    precondition(
      attention.shape == shape && !tokens.isEmpty,
      "SyntheticDecoder.forward: \(tokens.count) tokens, attention for \(attention.shape)")
    if phase == .prefill { try prepare(tokens, decodeTokens: 0) }
    guard let kept else {
      preconditionFailure("SyntheticDecoder.forward: a decode step without a prompt before it")
    }
    var output = Matrix(rows: tokens.count, columns: shape.queryHeads * shape.headDimension)
    for layer in 0..<shape.layers {
      let rows = rows(
        firstPosition..<firstPosition + tokens.count, layer: layer, of: kept, phase: phase)
      attention.attend(
        layer: layer, phase: phase, queries: rows.queries, keys: rows.keys, values: rows.values,
        firstPosition: firstPosition, output: &output)
      try afterLayer?(layer)
    }
    return Matrix(rows: keeping.count, columns: 1)
  }

  private func rows(
    _ positions: Range<Int>, layer: Int, of kept: KeptInputs, phase: AttentionPhase
  ) -> SyntheticInputs.Rows {
    if phase == .prefill { return kept.prompt[layer] }
    let first = positions.lowerBound - kept.promptTokens
    if first >= 0, first + positions.count <= kept.decodeTokens {
      return kept.steps[layer].copy(ofRows: first..<first + positions.count)
    }
    return inputs.rows(positions, layer: layer, stream: kept.stream, workers: workspace.workers)
  }

  func decode(
    _ tokens: [Int32], firstPosition: Int, attention: any LayerAttention
  ) throws -> Matrix {
    var hidden = Matrix(rows: tokens.count, columns: 1)
    for (row, token) in tokens.enumerated() {
      let step = try forward(
        [token], firstPosition: firstPosition + row, phase: .decode, attention: attention,
        keeping: 0..<1, afterLayer: nil)
      hidden.replaceRows(from: row, with: step, rows: 0..<1)
    }
    return hidden
  }

  /// A vocabulary of one token, which is certain.
  func logits(of hidden: Matrix, row: Int, into logits: inout [Float]) { logits = [0] }

  func forEachLogits(of hidden: Matrix, _ body: (_ row: Int, _ logits: Span<Float>) -> Void) {
    let logits: [Float] = [0]
    for row in 0..<hidden.rows { body(row, logits.span) }
  }

  /// The inputs stay: they are no scratch of a pass.
  func releaseScratch() {}
}

/// Inputs that no memory can hold.
struct SyntheticError: Error, CustomStringConvertible {
  let model: String
  let tokens: Int
  let megabytes: Int
  let machineMegabytes: Int

  var description: String {
    "\(model): the attention inputs of \"\(tokens)\" tokens take \(megabytes) MB, the machine has \(machineMegabytes) MB; use fewer tokens, heads or layers (one KV group: queryHeads / kvHeads query heads and 1 KV head)"
  }
}
