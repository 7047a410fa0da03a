import Attention
import Kernels
import Records
import Tasks
import Tensors
import Transformer

/// One timed run of a sample: prefill, then greedy decode steps. Nothing here looks at a value.
package struct TimedPass {
  let model: any DecoderModel
  let sample: TaskSample
  let decodeTokens: Int
  let checkpoint: () throws -> Void

  /// - Parameter checkpoint: asked after every layer of the prompt and every token, and may throw to end
  ///   the pass; so cheap that no time shows it.
  package init(
    model: any DecoderModel, sample: TaskSample, decodeTokens: Int,
    checkpoint: @escaping () throws -> Void = {}
  ) {
    self.model = model
    self.sample = sample
    self.decodeTokens = decodeTokens
    self.checkpoint = checkpoint
  }

  package func run(
    _ session: AttentionSession, identity: String, repetition: Int, isWarmup: Bool
  ) throws -> TimingSample {
    let prompt = sample.prompt
    let last = prompt.count - 1..<prompt.count
    try model.prepare(prompt, decodeTokens: decodeTokens)
    var clock = Stopwatch()
    var hidden = try model.forward(
      prompt, firstPosition: 0, phase: .prefill, attention: session, keeping: last,
      afterLayer: { _ in try checkpoint() })
    var position = prompt.count
    if !sample.lateTokens.isEmpty {
      hidden = try model.decode(
        sample.lateTokens, firstPosition: position, attention: session)
      position += sample.lateTokens.count
    }
    var decoder = GreedyDecoder(model, attention: session, after: hidden, position: position)
    // Seconds until each token is there, the first one's with the prompt.
    var seconds: [Double] = []
    var first = StageTimes()
    try decoder.decode(atMost: decodeTokens + 1) { _ in
      seconds.append(clock.lap().seconds)
      if seconds.count == 1 { first = spent(by: session) }
      try checkpoint()
      return true
    }
    if let fault = session.fault { throw fault }
    let total = spent(by: session)
    return TimingSample(
      identity: identity, repetition: repetition, isWarmup: isWarmup, prompt: prompt.count,
      timeToFirstToken: seconds[0], first: first, steps: Array(seconds.dropFirst()),
      decode: total - first)
  }

  private func spent(by session: AttentionSession) -> StageTimes {
    session.times.values.reduce(into: StageTimes()) { $0 += $1 }
  }
}

extension TimingSample {
  fileprivate init(
    identity: String, repetition: Int, isWarmup: Bool, prompt: Int, timeToFirstToken: Double,
    first: StageTimes, steps: [Double], decode: StageTimes
  ) {
    func seconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) * 1e-9 }
    let spent = seconds(first.attend) + seconds(first.select) + seconds(first.compact)
    let count = Double(steps.count)
    let stepTotal = steps.reduce(0, +)
    let decodeSpent = seconds(decode.attend) + seconds(decode.select) + seconds(decode.compact)
    func perToken(_ value: Double) -> Double? { steps.isEmpty ? nil : value / count }
    self.init(
      identity: identity, repetition: repetition, isWarmup: isWarmup, promptTokens: prompt,
      decodeTokens: steps.count, timeToFirstToken: timeToFirstToken,
      timePerOutputToken: steps.median,
      attentionTime: seconds(first.attend), selectionTime: seconds(first.select),
      compactionTime: seconds(first.compact), otherTime: timeToFirstToken - spent,
      decodeAttentionTime: perToken(seconds(decode.attend)),
      decodeSelectionTime: perToken(seconds(decode.select)),
      decodeCompactionTime: perToken(seconds(decode.compact)),
      decodeOtherTime: perToken(stepTotal - decodeSpent))
  }
}

extension StageTimes {
  fileprivate static func += (left: inout StageTimes, right: StageTimes) {
    left.cache += right.cache
    left.select += right.select
    left.attend += right.attend
    left.compact += right.compact
  }

  fileprivate static func - (left: StageTimes, right: StageTimes) -> StageTimes {
    var result = left
    result.cache -= right.cache
    result.select -= right.select
    result.attend -= right.attend
    result.compact -= right.compact
    return result
  }
}
