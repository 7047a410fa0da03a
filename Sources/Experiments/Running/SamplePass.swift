import Attention
import Tasks
import Tensors
import Transformer

/// One sample of a task taken through the model once, under whatever attention it is given.
///
/// The prompt is prefilled and compacted; then come the late tokens (a question that the selection has not seen) and
/// the teacher-forced ones as decode steps, then greedy ones; then, where the sample has turns, the next question's late
/// tokens and greedy ones, on the same cache. `checkpoint` is asked between layers and steps and may
/// throw to end the pass.
struct SamplePass {
  let model: any DecoderModel
  let sample: TaskSample
  var checkpoint: () throws -> Void = {}
  /// Told of each layer of the prompt that is done.
  var afterLayer: ((Int) -> Void)?
  /// Told how many tokens have been decoded after the prompt.
  var afterDecoded: ((Int) -> Void)?

  struct Outcome {
    /// Row t predicts the sample's t-th scored token (scored tokens x hidden size).
    var scoredHidden: Matrix
    /// The greedy tokens of each turn.
    var answers: [[Int32]] = []
  }

  /// - Parameters:
  ///   - afterPrefill: called when the prompt is attended and compacted, before the first decode step.
  ///   - beforeAnswer: called with a turn when its question is attended, before its answer.
  func run(
    attention: any LayerAttention, afterPrefill: () throws -> Void = {},
    beforeAnswer: (TaskTurn) -> Void = { _ in }
  ) throws -> Outcome {
    precondition(
      sample.forced.isEmpty || (sample.lateTokens.isEmpty && sample.greedyTokens == 0),
      "SamplePass: a sample with forced tokens has no others after its prompt")
    try checkpoint()
    let promptCount = sample.prompt.count
    // The row before the first scored token predicts it; a greedy step needs the last row.
    let firstKept = min(promptCount - 1, max(0, (sample.scoredFrom ?? promptCount) - 1))
    let hidden = try model.forward(
      sample.prompt, firstPosition: 0, phase: .prefill, attention: attention,
      keeping: firstKept..<promptCount
    ) { layer in
      afterLayer?(layer)
      try checkpoint()
    }
    try checkpoint()
    try afterPrefill()

    var outcome = Outcome(scoredHidden: Matrix(rows: 0, columns: hidden.columns))
    var last = hidden
    var position = promptCount
    /// Tokens of the newest answer that the model has run.
    var answered = 0
    if !sample.lateTokens.isEmpty {
      last = try model.decode(sample.lateTokens, firstPosition: position, attention: attention)
      position += sample.lateTokens.count
      afterDecoded?(position - promptCount)
    }
    if let scoredFrom = sample.scoredFrom {
      outcome.scoredHidden = try scored(
        hidden, firstKept: firstKept, scoredFrom: scoredFrom, attention: attention)
      position += max(0, sample.forced.count - 1)
    }
    guard sample.greedyTokens > 0 else { return outcome }
    for (number, turn) in sample.turns.enumerated() {
      if number > 0 {
        // The last token of an answer has been chosen, but not run.
        let answer = outcome.answers[number - 1]
        let asked = answer.suffix(answer.count - answered) + turn.lateTokens
        last = try model.decode(Array(asked), firstPosition: position, attention: attention)
        position += asked.count
      }
      beforeAnswer(turn)
      var answer: [Int32] = []
      var decoder = GreedyDecoder(model, attention: attention, after: last, position: position)
      try decoder.decode(
        atMost: sample.greedyTokens, firstExcluding: sample.isNeverEmpty ? sample.stopTokens : []
      ) { token in
        guard !sample.stopTokens.contains(token) else { return false }
        answer.append(token)
        afterDecoded?(position - promptCount + answer.count)
        try checkpoint()
        return true
      }
      answered = decoder.position - position
      position = decoder.position
      outcome.answers.append(answer)
    }
    return outcome
  }

  /// Hidden states of the prompt's rows and of the forced tokens that predict a scored token; the last token of all
  /// predicts none.
  private func scored(
    _ hidden: Matrix, firstKept: Int, scoredFrom: Int, attention: any LayerAttention
  ) throws -> Matrix {
    let promptCount = sample.prompt.count
    let total = promptCount + sample.forced.count
    var elements: [Float] = []
    elements.reserveCapacity((total - scoredFrom) * hidden.columns)
    let promptRows = scoredFrom - 1 - firstKept..<min(promptCount, total - 1) - firstKept
    elements +=
      hidden.elements[
        promptRows.lowerBound * hidden.columns..<promptRows.upperBound * hidden.columns]
    var next = 0
    while next < sample.forced.count - 1 {
      try checkpoint()
      let count = min(DecodeStep.mostTokens, sample.forced.count - 1 - next)
      let step = try model.decode(
        Array(sample.forced[next..<next + count]), firstPosition: promptCount + next,
        attention: attention)
      elements += step.elements
      next += count
      afterDecoded?(next)
    }
    return Matrix(
      rows: elements.count / hidden.columns, columns: hidden.columns, elements: elements)
  }
}
