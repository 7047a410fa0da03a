import Attention
import JSON
import Tensors

/// Runs against other runs: repeated, beside another, with a part of the input changed.
extension StrategyChecker {
  // MARK: Repetition

  /// False where runs cannot be compared with one another: the same input gives another output.
  func checkRepetition(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) -> Bool {
    let first = original.transcript
    log.look(at: .sameInputSameOutput)
    log.look(at: .sequencesAreSeparate)

    // Each of these two follows on the same sequence, so what that leaves behind is the same for both.
    let second = subject.play(subject.sequence)
    if let place = firstDifference(subject.play(subject.sequence, in: threadedWorkspace), second) {
      log.fail(.sameInputSameOutput, "run again, on 3 threads, the sequence differs at \(place)")
      return false
    }

    // After itself, after another sequence, then beside it, step by step.
    let other = subject.changed(.everything)
    let otherAlone = subject.play(other)
    let afterOther = subject.play(subject.sequence)
    var here = SequencePlayer(subject.begun(), subject.sequence)
    var there = SequencePlayer(subject.begun(), other)
    here.step(subject.promptTokens)
    there.step(subject.promptTokens)
    while !here.isAtEnd {
      here.step(1)
      there.step(1)
    }
    for (run, wanted, what) in [
      (second, first, "run again, the sequence"),
      (afterOther, first, "after another sequence the run"),
      (here.transcript, first, "beside another sequence the run"),
      (there.transcript, otherAlone, "beside another sequence the other's run"),
    ] {
      guard let place = firstDifference(run, wanted) else { continue }
      log.fail(.sequencesAreSeparate, "\(what) differs at \(place)")
      return false
    }
    return true
  }

  // MARK: Steps taken together

  func checkSteps(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let session = subject.begun()
    let decoded = subject.promptTokens..<subject.sequence.tokens
    var starts = [decoded.lowerBound]
    while let start = starts.last, start < decoded.upperBound {
      starts.append(start + min(session.queriesDecodedTogether(from: start), decoded.count))
    }
    guard let step = zip(starts, starts.dropFirst()).first(where: { $1 - $0 > 1 }),
      step.0 + 1 < decoded.upperBound
    else { return }
    log.look(at: .stepsMayBeTakenTogether)
    let together = subject.play(subject.sequence, together: true)
    if let (layer, row, error) = largestDifference(
      together, original.transcript, rows: decoded, subject)
    {
      log.fail(
        .stepsMayBeTakenTogether,
        "layer \(layer), query \(row): taken together, steps differ by \(error) of the largest value"
      )
    }
    // The second token of a step is nothing to the first. An oracle knows it, and is declared as such.
    guard !subject.description.readsFuture else { return }
    let place = step.0 + 1
    let changed = subject.play(subject.changed(.tokens(from: place)), together: true)
    if let (layer, row, error) = largestDifference(
      changed, together, rows: subject.promptTokens..<place, subject)
    {
      log.fail(
        .isCausal,
        "layer \(layer): with other tokens from \(place) on, decoded together with it, the output of query \(row) changes by \(error) of the largest value"
      )
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
    let parameters = swappedParameters(subject, order: order)
    guard let configured = try? configure(subject.checkCase, parameters: parameters) else { return }
    var swapped = CheckSubject(
      subject.checkCase, configured, subject.sequence.swapping(0, last), workspace: workspace
    ).play().transcript
    swapped.outputs = swapped.outputs.map { SyntheticSequence.reordered($0, groups: order) }
    if let (layer, row, error) = largestDifference(
      swapped, original.transcript, rows: 0..<subject.sequence.tokens, subject)
    {
      log.fail(
        .headsAreSeparate,
        "layer \(layer), query \(row): a KV head's output depends on another's input, and on its place among the heads: with heads 0 and \(last) in each other's place it differs by \(error) of the largest value"
      )
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

  /// Changes everything from some token of the prompt on.
  func checkCausality(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let n = subject.promptTokens
    let maySee = subject.description.selectionLooksAhead
    if maySee { log.declaresLookingAhead = true }
    let borders = Set([1, n / 3, n / 2, n - ParameterSets.blockSize, n - 1])
    let places = borders.filter { $0 > 0 && $0 < n }.sorted()
    if !maySee && !places.isEmpty { log.look(at: .isCausal) }
    for place in places {
      var player = SequencePlayer(subject.begun(), subject.changed(.tokens(from: place)))
      player.step(n)
      guard
        let (layer, row, error) = largestDifference(
          player.transcript, original.transcript, rows: 0..<place, subject)
      else { continue }
      log.hasLookedAhead = true
      if !maySee {
        log.fail(
          .isCausal,
          "layer \(layer): with other tokens from \(place) on, the output of query \(row) changes by \(error) of the largest value, and selectionLooksAhead is not declared"
        )
      }
    }
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

  /// Where two runs differ by more than float arithmetic may, in the first layer that does: the row that differs most,
  /// and by how much of the layer's largest value row (Euclidean norms); nil if nowhere. NaN differs.
  private func largestDifference(
    _ left: Transcript, _ right: Transcript, rows: Range<Int>, _ subject: CheckSubject
  ) -> (layer: Int, row: Int, error: Double)? {
    let shape = subject.shape
    let d = shape.headDimension
    for layer in 0..<shape.layers {
      let exact = ExactAttention(subject, layer: layer, rows: subject.rows[layer])
      let scale = (0..<shape.kvHeads).reduce(1e-30) {
        max($0, exact.largestValues(kvHead: $1).euclidean.last ?? 0)
      }
      var worst: (row: Int, error: Double) = (0, 0)
      for row in rows {
        for head in 0..<shape.queryHeads {
          var squares = 0.0
          for column in head * d..<(head + 1) * d {
            let difference =
              Double(left.outputs[layer][row, column]) - Double(right.outputs[layer][row, column])
            squares += difference * difference
          }
          let error = squares.isNaN ? .infinity : squares.squareRoot() / scale
          if error > worst.error { worst = (row, error) }
        }
      }
      if worst.error > 1e-5 { return (layer, worst.row, worst.error) }
    }
    return nil
  }
}
