import Tensors

/// What the queries after a prompt attend to in it under full attention: what only an oracle can
/// know.
public struct FutureAttention: Sendable {
  /// Tokens of the prompt.
  public let promptTokens: Int
  /// The softmax weight of each prompt token, summed over the queries after the prompt and the
  /// query heads of a group; by global layer and KV head, (promptTokens). All zero where nothing
  /// follows.
  public let masses: [[[Double]]]

  public init(promptTokens: Int, masses: [[[Double]]]) {
    self.promptTokens = promptTokens
    self.masses = masses
  }

  /// Computed for a sequence whose queries, keys and values are known.
  ///
  /// - Parameters:
  ///   - prompt: its first tokens, of `tokens` in all.
  ///   - rows: the rows of a layer for a range of tokens, as a ``LayerAttention`` takes them.
  public init(
    ofPrompt prompt: Int, tokens: Int, shape: AttentionShape, workspace: Workspace,
    rows: (_ layer: Int, Range<Int>) -> (queries: Matrix, keys: Matrix, values: Matrix)
  ) {
    let recorder = FutureRecorder(
      AttentionSession(FullAttention(), shape: shape, workspace: workspace))
    for (range, phase) in [(0..<prompt, AttentionPhase.prefill), (prompt..<tokens, .decode)]
    where !range.isEmpty {
      for layer in 0..<shape.layers {
        let (queries, keys, values) = rows(layer, range)
        var output = Matrix(rows: range.count, columns: queries.columns)
        recorder.attend(
          layer: layer, phase: phase, queries: queries, keys: keys, values: values,
          firstPosition: range.lowerBound, output: &output)
      }
    }
    self = recorder.future
  }
}

/// A session of full attention that records what decode steps attend to in the prompt.
public final class FutureRecorder: WrapsAttention {
  public let base: AttentionSession
  private var promptTokens = 0
  private var masses: [[[Double]]]
  private let globalLayers: [Int]

  /// - Parameter dense: a session of full attention with empty caches.
  public init(_ dense: AttentionSession) {
    base = dense
    globalLayers = dense.shape.globalLayers
    masses = Array(
      repeating: Array(repeating: [], count: dense.shape.kvHeads), count: globalLayers.count)
  }

  /// What has been attended to so far.
  public var future: FutureAttention {
    FutureAttention(promptTokens: promptTokens, masses: masses)
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    let outcome = base.attend(
      layer: layer, phase: phase, queries: queries, firstPosition: firstPosition, take: take)
    guard let place = globalLayers.firstIndex(of: layer) else { return outcome }
    switch phase {
    case .prefill:
      promptTokens = queries.rows
      masses[place] = Array(
        repeating: [Double](repeating: 0, count: promptTokens), count: shape.kvHeads)
    case .decode:
      watch(place, queries, firstPosition: firstPosition, heads: base.caches[layer])
    }
    return outcome
  }

  private func watch(_ place: Int, _ queries: Matrix, firstPosition: Int, heads: [HeadCache]) {
    let view = LayerView(
      layer: place, shape: shape.global, phase: .decode, queries: queries,
      firstQueryPosition: firstPosition, heads: heads, workspace: base.workspace)
    for kvHead in 0..<shape.kvHeads {
      for position in view.queryPositions {
        for head in shape.queryHeads(of: kvHead) {
          let weights = view.softmaxRow(ofHead: head, at: position)
          for token in 0..<promptTokens {
            masses[place][kvHead][token] += Double(weights[token])
          }
        }
      }
    }
  }
}
