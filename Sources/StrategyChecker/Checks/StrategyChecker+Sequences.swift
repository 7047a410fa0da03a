import Attention
import JSON
import Tensors

/// Runs against other runs: repeated, beside another, with a part of the input changed.
extension StrategyChecker {
  // MARK: Repetition

  func checkRepetition(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    log.look(at: .sameInputSameOutput)
    log.look(at: .sequencesAreSeparate)
    let first = original.transcript

    // Again at once: only the recorder is gone.
    if let place = firstDifference(subject.play(subject.sequence), first) {
      log.fail(.sameInputSameOutput, "the second run of the sequence differs at \(place)")
    }
    if let place = firstDifference(
      subject.play(subject.sequence, in: threadedWorkspace), first)
    {
      log.fail(.sameInputSameOutput, "on 3 threads the run differs at \(place)")
    }

    // After another sequence, then beside it, step by step.
    let other = subject.changed(.everything)
    let otherAlone = subject.play(other)
    if let place = firstDifference(subject.play(subject.sequence), first) {
      log.fail(.sequencesAreSeparate, "after another sequence the run differs at \(place)")
    }
    var here = SequencePlayer(subject.session.begunAgain(in: workspace), subject.sequence)
    var there = SequencePlayer(subject.session.begunAgain(in: workspace), other)
    here.step(subject.promptTokens)
    there.step(subject.promptTokens)
    while !here.isAtEnd {
      here.step(1)
      there.step(1)
    }
    if let place = firstDifference(here.transcript, first)
      ?? firstDifference(there.transcript, otherAlone)
    {
      log.fail(.sequencesAreSeparate, "beside another sequence the run differs at \(place)")
    }
    checkSteps(subject, first, log: &log)
  }

  private func checkSteps(_ subject: CheckSubject, _ first: Transcript, log: inout CheckLog) {
    let session = subject.session.begunAgain(in: workspace)
    let decoded = subject.promptTokens..<subject.sequence.tokens
    guard
      decoded.dropLast().contains(where: { session.queriesDecodedTogether(from: $0) > 1 })
    else { return }
    log.look(at: .stepsMayBeTakenTogether)
    let together = subject.play(subject.sequence, together: true)
    for layer in 0..<subject.shape.layers {
      if let (row, error) = largestDifference(
        together.outputs[layer], first.outputs[layer], rows: decoded, subject, layer: layer),
        !(error <= 1e-5)
      {
        log.fail(
          .stepsMayBeTakenTogether,
          "layer \(layer), query \(row): taken together, steps differ by \(error) of the largest value"
        )
      }
    }
  }

  // MARK: Separation

  func checkSeparation(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let shape = subject.shape
    // An oracle may share a budget between layers: it knows them all before the first.
    if shape.layers > 1 && !subject.description.readsFuture {
      log.look(at: .layersAreSeparate)
      for changed in 0..<shape.layers {
        let run = subject.play(subject.changed(.layer(changed)))
        for layer in 0..<shape.layers where layer != changed {
          if run.outputs[layer].elements != original.transcript.outputs[layer].elements {
            log.fail(
              .layersAreSeparate,
              "with other input in layer \(changed), the output of layer \(layer) changes")
          }
        }
      }
    }
    if shape.kvHeads > 1 { checkHeads(subject, original, log: &log) }
  }

  /// Heads may be independent, or depend on the set of all (a mean over heads, a budget shared between them); a head
  /// that depends on its neighbour's place in the order does neither.
  private func checkHeads(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    log.look(at: .headsAreSeparate)
    let shape = subject.shape
    let width = shape.queryHeadsPerKVHead * shape.headDimension
    let isIndependent = (0..<shape.kvHeads).allSatisfy { changed in
      let run = subject.play(subject.changed(.group(changed)))
      return (0..<shape.layers).allSatisfy { layer in
        (0..<shape.kvHeads).filter { $0 != changed }.allSatisfy { group in
          equal(
            run.outputs[layer], original.transcript.outputs[layer],
            columns: group * width..<(group + 1) * width)
        }
      }
    }
    if isIndependent { return }
    let last = shape.kvHeads - 1
    let order = SyntheticSequence.order(of: shape.kvHeads, swapping: 0, last)
    guard
      let swappedSession = try? strategy.makeSession(
        swappedParameters(subject, order: order), shape, workspace)
    else { return }
    var player = SequencePlayer(swappedSession, subject.sequence.swapping(0, last))
    let swapped = player.finish(prompt: subject.promptTokens)
    for layer in 0..<shape.layers {
      let restored = SyntheticSequence.reordered(swapped.outputs[layer], groups: order)
      if let (row, error) = largestDifference(
        restored, original.transcript.outputs[layer], rows: 0..<subject.sequence.tokens, subject,
        layer: layer), !(error <= 1e-5)
      {
        log.fail(
          .headsAreSeparate,
          "layer \(layer), query \(row): a KV head's output depends on another's input, and on its place among the heads: with heads 0 and \(last) in each other's place it differs by \(error) of the largest value"
        )
      }
    }
  }

  /// Lists with an entry for each KV head or each query head of each layer trade places too, those of parts as well.
  private func swappedParameters(_ subject: CheckSubject, order: [Int]) -> JSONValue {
    let shape = subject.shape
    let group = shape.queryHeadsPerKVHead
    func swapped(_ value: JSONValue) -> JSONValue {
      if let members = value.objectValue { return .object(members.mapValues(swapped)) }
      guard let list = value.arrayValue else { return value }
      if list.count == shape.layers * shape.kvHeads {
        return .array(
          list.indices.map { place in
            let head = place % shape.kvHeads
            return list[place - head + order[head]]
          })
      }
      guard list.count == shape.layers * shape.queryHeads else { return value }
      return .array(
        list.indices.map { place in
          let head = place % shape.queryHeads
          return list[place - head + order[head / group] * group + head % group]
        })
    }
    return swapped(subject.checkCase.parameters)
  }

  // MARK: Causality

  /// Changes everything from some token on. True if an earlier output of the prompt changed.
  func checkCausality(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) -> Bool {
    let n = subject.promptTokens
    let borders = Set([1, n / 3, n / 2, n - ParameterSets.blockSize, n - 1])
    let places = borders.filter { $0 > 0 && $0 < n }.sorted()
    guard !places.isEmpty else { return false }
    let maySee = subject.description.selectionLooksAhead
    if !maySee { log.look(at: .isCausal) }
    var lookedAhead = false
    for place in places {
      var player = SequencePlayer(
        subject.session.begunAgain(in: workspace), subject.changed(.tokens(from: place)))
      player.step(n)
      for layer in 0..<subject.shape.layers {
        if let (row, error) = largestDifference(
          player.transcript.outputs[layer], original.transcript.outputs[layer], rows: 0..<place,
          subject, layer: layer), !(error <= 1e-5)
        {
          lookedAhead = true
          if !maySee {
            log.fail(
              .isCausal,
              "layer \(layer): with other tokens from \(place) on, the output of query \(row) changes by \(error) of the largest value, and selectionLooksAhead is not declared"
            )
          }
        }
      }
    }
    return lookedAhead
  }

  // MARK: Comparing

  /// Where two runs differ by as much as a bit, in words; nil if nowhere.
  private func firstDifference(_ left: Transcript, _ right: Transcript) -> String? {
    for layer in left.outputs.indices {
      let columns = left.outputs[layer].columns
      let a = left.outputs[layer].elements
      let b = right.outputs[layer].elements
      if a != b, let index = a.indices.first(where: { !(a[$0] == b[$0]) }) {
        return "layer \(layer), query \(index / columns), column \(index % columns)"
      }
      if left.logSumExp[layer] != right.logSumExp[layer] {
        return "the log-sum-exp of layer \(layer)"
      }
    }
    if left.atEnd != right.atEnd { return "what the cache holds at the end" }
    return nil
  }

  private func equal(_ left: Matrix, _ right: Matrix, columns: Range<Int>) -> Bool {
    (0..<left.rows).allSatisfy { row in
      columns.allSatisfy { left[row, $0] == right[row, $0] }
    }
  }

  /// The row in which two outputs differ most, and by how much of the layer's largest value row (Euclidean norms);
  /// nil without rows. NaN counts as the largest difference.
  private func largestDifference(
    _ left: Matrix, _ right: Matrix, rows: Range<Int>, _ subject: CheckSubject, layer: Int
  ) -> (row: Int, error: Double)? {
    let d = subject.shape.headDimension
    let exact = ExactAttention(sequence: subject.sequence, layer: layer)
    let scale = (0..<subject.shape.kvHeads).reduce(1e-30) {
      max($0, exact.largestValues(kvHead: $1).euclidean.last ?? 0)
    }
    var worst: (row: Int, error: Double)?
    for row in rows {
      for head in 0..<subject.shape.queryHeads {
        var squares = 0.0
        for column in head * d..<(head + 1) * d {
          let difference = Double(left[row, column]) - Double(right[row, column])
          squares += difference * difference
        }
        let error = squares.isNaN ? .infinity : squares.squareRoot() / scale
        if error > worst?.error ?? -1 { worst = (row, error) }
      }
    }
    return worst
  }
}
