import Attention
import Kernels
import Tensors
import Threads

/// What one run of a sequence gave.
struct Transcript {
  /// By layer, (tokens x queryHeads·headDimension).
  var outputs: [Matrix]
  /// By layer, (queryHeads x tokens).
  var logSumExp: [[Float]]
  /// Selected and computed pairs of each call, by query head.
  var calls: [Call] = []
  /// What each KV head holds right after the prompt, by layer.
  var afterPrompt: [[HeadMemory]] = []
  /// And at the end.
  var atEnd: [[HeadMemory]] = []

  struct Call {
    let layer: Int
    let queries: Range<Int>
    let pairs: [PairCounts]
  }

  struct HeadMemory: Hashable {
    /// Of the tokens held in whatever tier.
    var positions: [Int]
    /// Tokens of the cold tier.
    var coldCount: Int
    var allocatedBytes: Int
    var logicalBytes: Int
  }

  init(shape: AttentionShape, tokens: Int) {
    outputs = Array(
      repeating: Matrix(rows: tokens, columns: shape.queryHeads * shape.headDimension),
      count: shape.layers)
    logSumExp = Array(
      repeating: [Float](repeating: 0, count: shape.queryHeads * tokens), count: shape.layers)
  }
}

extension SyntheticSequence {
  /// What the queries after the first `count` tokens attend to among these.
  func future(ofPrompt count: Int) -> FutureAttention {
    FutureAttention(
      ofPrompt: count, tokens: tokens, shape: shape, workspace: Workspace(workers: WorkerPool())
    ) { rows($1, layer: $0) }
  }
}

/// Feeds a sequence to a session: the prompt, then decode steps.
struct SequencePlayer {
  let session: AttentionSession
  let sequence: SyntheticSequence
  private(set) var position = 0
  private(set) var transcript: Transcript

  init(_ session: AttentionSession, _ sequence: SyntheticSequence) {
    self.session = session
    self.sequence = sequence
    transcript = Transcript(shape: sequence.shape, tokens: sequence.tokens)
  }

  var isAtEnd: Bool { position == sequence.tokens }

  /// Runs the next `count` tokens through all layers; the first call is the prompt, of which an oracle is told before.
  mutating func step(_ count: Int) {
    let range = position..<position + min(count, sequence.tokens - position)
    let shape = sequence.shape
    if position == 0 && session.readsFuture {
      session.foresee(sequence.future(ofPrompt: range.count))
    }
    for layer in 0..<shape.layers {
      let (queries, keys, values) = sequence.rows(range, layer: layer)
      var output = Matrix(rows: range.count, columns: queries.columns)
      let outcome = session.attend(
        layer: layer, phase: position == 0 ? .prefill : .decode, queries: queries, keys: keys,
        values: values, firstPosition: position, output: &output)
      transcript.outputs[layer].replaceRows(
        from: position, with: output, rows: 0..<range.count)
      for head in 0..<shape.queryHeads {
        for row in 0..<range.count {
          transcript.logSumExp[layer][head * sequence.tokens + range.lowerBound + row] =
            outcome.logSumExp[head * range.count + row]
        }
      }
      transcript.calls.append(
        Transcript.Call(layer: layer, queries: range, pairs: outcome.pairs))
    }
    if position == 0 { transcript.afterPrompt = memory }
    position = range.upperBound
    if isAtEnd { transcript.atEnd = memory }
  }

  /// Runs what is left, one by one or as many together as the session allows.
  mutating func finish(prompt: Int, together: Bool = false) -> Transcript {
    if position == 0 { step(prompt) }
    while !isAtEnd {
      step(together ? session.queriesDecodedTogether(from: position) : 1)
    }
    return transcript
  }

  private var memory: [[Transcript.HeadMemory]] {
    session.caches.map { heads in
      heads.map { head in
        Transcript.HeadMemory(
          positions: head.heldPositions.map { Int($0) }, coldCount: head.cold?.count ?? 0,
          allocatedBytes: head.allocatedBytes, logicalBytes: head.logicalBytes)
      }
    }
  }
}
