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

  package init(model: any DecoderModel, sample: TaskSample, decodeTokens: Int) {
    self.model = model
    self.sample = sample
    self.decodeTokens = decodeTokens
  }

  package func run(
    _ session: AttentionSession, identity: String, repetition: Int, isWarmup: Bool
  ) throws -> TimingSample {
    let prompt = sample.prompt
    let last = prompt.count - 1..<prompt.count
    var logits: [Float] = []
    try model.prepare(prompt, decodeTokens: decodeTokens)
    var clock = Stopwatch()
    var hidden = try model.forward(
      prompt, firstPosition: 0, phase: .prefill, attention: session, keeping: last)
    var position = prompt.count
    var tail = 0
    if !sample.lateTokens.isEmpty {
      hidden = try model.decode(
        sample.lateTokens, firstPosition: position, attention: session)
      position += sample.lateTokens.count
      tail = sample.lateTokens.count - 1
    }
    model.logits(of: hidden, row: tail, into: &logits)
    var token = Int32(Softmax.argmax(logits.span) ?? 0)
    let timeToFirstToken = clock.lap()
    let first = session.times.values.reduce(into: StageTimes()) { $0 += $1 }

    let room = model.contextLength - position
    var steps: [Double] = []
    for step in 0..<min(decodeTokens, room) {
      let hidden = try model.forward(
        [token], firstPosition: position + step, phase: .decode, attention: session,
        keeping: 0..<1)
      model.logits(of: hidden, row: 0, into: &logits)
      token = Int32(Softmax.argmax(logits.span) ?? 0)
      steps.append(clock.lap())
    }
    if let fault = session.fault { throw fault }
    let total = session.times.values.reduce(into: StageTimes()) { $0 += $1 }
    return TimingSample(
      identity: identity, repetition: repetition, isWarmup: isWarmup, prompt: prompt.count,
      timeToFirstToken: timeToFirstToken, first: first, steps: steps, decode: total - first)
  }
}

/// A monotonic clock with laps, in seconds.
package struct Stopwatch {
  private var last = ContinuousClock.now

  package init() {}

  /// Seconds since the last lap, or since it was made.
  package mutating func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return (now - last).seconds
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
