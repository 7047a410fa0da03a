import Attention
import Foundation
import Records
import Tensors

/// The answers of a strategy, and the output of a run against exact attention over the keys that it attended to.
extension StrategyChecker {
  /// Relative to the largest value row: what float arithmetic may differ by.
  private static let outputTolerance = 1e-5
  /// Of a coarse look. Queries rounded to 8 bits move logits by some hundredths; a coarsely read value is off by an eighth
  /// of its range, with a weight below `limit`. That it is what it should be, the kernel's own tests say.
  static func coarseTolerance(readsWholeAbove limit: Double) -> Double {
    limit <= 1.0 / 256 ? 0.03 : 0.4
  }

  /// False if the strategy broke its contract, or ranked by what is no number.
  func checkAnswers(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) -> Bool {
    log.look(at: .answersAreComplete)
    if let fault = original.session.fault {
      log.fail(.answersAreComplete, fault.message)
      return false
    }
    guard subject.strategy is any Ranking else { return true }
    log.look(at: .scoresAreNumbers)
    if let token = original.unrankedToken { log.fail(.scoresAreNumbers, token) }
    return original.unrankedToken == nil
  }

  func checkAttention(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let attended = AttendedKeys(
      original.decisions, shape: subject.shape, tokens: subject.sequence.tokens)
    checkPhases(subject, original, attended, log: &log)
    checkCounts(subject, original, attended, log: &log)
    checkOutputs(subject, original, attended, log: &log)
    checkOracle(subject, original, attended, log: &log)
    if subject.checkCase.coversEverything { checkDense(subject, original, log: &log) }
  }

  /// Takes down in which phases something is left out; one that is not declared leaves nothing out.
  private func checkPhases(
    _ subject: CheckSubject, _ original: CheckSubject.Original, _ attended: AttendedKeys,
    log: inout CheckLog
  ) {
    log.look(at: .actsInItsPhases)
    let phases = subject.description.phases
    // What is read coarsely is not left out.
    log.declaredPhases.formUnion(
      subject.strategy is any Skims ? phases.filter { $0 != .decode } : phases)
    if phases.isEmpty && subject.description.role != .reference {
      log.fail(
        .actsInItsPhases,
        "it has none of the capabilities that select or retain, so it is full attention under another name"
      )
    }
    for decision in original.decisions {
      guard let phase = phaseOfLeavingOut(decision, attended, subject.shape) else { continue }
      log.seenPhases.insert(phase)
      if !phases.contains(phase) {
        log.fail(
          .actsInItsPhases,
          "layer \(decision.layer) leaves tokens out in \(phase.rawValue), where it should not act"
        )
      }
    }
  }

  /// The phase of a decision that leaves something out of what is held; nil for others.
  private func phaseOfLeavingOut(
    _ decision: RecordedDecision, _ attended: AttendedKeys, _ shape: AttentionShape
  ) -> StrategyPhase? {
    switch decision.purpose {
    case .attending(let queries):
      let leavesOut = queries.contains { query in
        (0..<shape.queryHeads).contains { head in
          attended.keys[decision.layer][query][head].count
            < decision.held[shape.kvHead(of: head)].count { $0 <= query }
        }
      }
      return leavesOut ? (decision.phase == .prefill ? .prefill : .decode) : nil
    case .retaining(let newest):
      let leavesOut = decision.held.indices.contains { head in
        let cold = Set(decision.cold[head])
        return decision.held[head].contains {
          !cold.contains($0)
            && !AttendedKeys.shows(decision.selections[head], position: $0, query: newest)
        }
      }
      return leavesOut ? .retention : nil
    case .cooling, .coarsening: return nil
    }
  }

  /// What it says of itself and no single case can show: it does so in some.
  func checkDeclarations(_ log: inout CheckLog) {
    for phase in StrategyPhase.allCases
    where log.declaredPhases.subtracting(log.seenPhases).contains(phase) {
      log.fail(
        .actsInItsPhases,
        "it has the capability for \(phase.rawValue), but left nothing out there in any case")
    }
    guard log.declaresLookingAhead else { return }
    log.look(at: .declaresLookingAhead)
    if !log.hasLookedAhead {
      log.fail(
        .declaresLookingAhead,
        "selectionLooksAhead is declared, but no later token changed an earlier output in any case")
    }
  }

  /// Nominal pairs are recounted; computed ones are at least as many.
  private func checkCounts(
    _ subject: CheckSubject, _ original: CheckSubject.Original, _ attended: AttendedKeys,
    log: inout CheckLog
  ) {
    log.look(at: .attendedIsCounted)
    log.look(at: .attendsToItself)
    for call in original.transcript.calls {
      for head in 0..<subject.shape.queryHeads {
        var pairs = 0
        for query in call.queries {
          let keys = attended.keys[call.layer][query][head]
          pairs += keys.count
          if keys.last != query {
            log.fail(
              .attendsToItself,
              "layer \(call.layer), query head \(head), query \(query) attends to \(keys.suffix(3)) and not to itself"
            )
          }
        }
        let counted = call.pairs[head]
        if counted.nominal != pairs || counted.computed < pairs {
          log.fail(
            .attendedIsCounted,
            "layer \(call.layer), query head \(head), queries \(call.queries): \(counted.nominal) pairs counted and \(counted.computed) computed, but selections and cache show \(pairs)"
          )
        }
      }
    }
  }

  private func checkOutputs(
    _ subject: CheckSubject, _ original: CheckSubject.Original, _ attended: AttendedKeys,
    log: inout CheckLog
  ) {
    // Other logits than the dense ones have another log-sum-exp and no bound. Those of tokens in fewer bits are of the rows
    // that the cache gives back.
    let areDense = original.session.logitsAreDense
    let isCoarse = original.session.readsCoarsely
    let coarseTolerance = Self.coarseTolerance(
      readsWholeAbove: original.session.readsWholeAbove ?? 0)
    guard areDense || original.session.holdsInFewerBits || isCoarse else { return }
    for invariant in [
      Invariant.equalsExactAttention, .boundHolds, .retainedMassIsAtMostOne,
    ] {
      log.look(at: invariant)
    }
    let shape = subject.shape
    let d = shape.headDimension
    let tokens = subject.sequence.tokens
    for layer in 0..<shape.layers {
      let exact = ExactAttention(
        subject, layer: layer, rows: subject.rows[layer], heads: original.session.caches[layer])
      for head in 0..<shape.queryHeads {
        let largest = exact.largestValues(kvHead: shape.kvHead(of: head))
        for query in 0..<tokens {
          let keys = attended.keys[layer][query][head]
          let cold = attended.inFewerBits[layer][query][shape.kvHead(of: head)].intersection(keys)
          let wanted = exact.attend(head: head, query: query, to: keys, coarse: cold)
          var squares = 0.0
          var absolute = 0.0
          for i in 0..<d {
            let found = Double(original.transcript.outputs[layer][query, head * d + i])
            squares += (found - wanted.output[i]) * (found - wanted.output[i])
            absolute += abs(found - wanted.denseOutput[i])
          }
          let sum = Double(original.transcript.logSumExp[layer][head * tokens + query])
          func place() -> String { "layer \(layer), query head \(head), query \(query)" }
          // Conditions are written so that NaN fails.
          let error = squares.squareRoot() / max(largest.euclidean[query], 1e-30)
          let sumError = abs(sum - wanted.logSumExp) / max(1, abs(wanted.logSumExp))
          let tolerance =
            isCoarse && query >= subject.promptTokens
            ? coarseTolerance : Self.outputTolerance
          if !(error <= tolerance && sumError <= tolerance) {
            log.fail(
              .equalsExactAttention,
              "\(place()): the output is off by \(error) of the largest value, the log-sum-exp by \(sumError); attended were \(attended.keys[layer][query][head].count) keys"
            )
          }
          // The bound and the mass are of dense logits.
          guard cold.isEmpty, !isCoarse else { continue }
          let limit = (2 * wanted.droppedMass + 1e-5) * largest.absolute[query]
          if !(absolute <= limit) {
            log.fail(
              .boundHolds,
              "\(place()): ‖Ô−O‖₁ is \(absolute), but dropping \(wanted.droppedMass) of the mass allows \(limit)"
            )
          }
          let retained = exp(sum - wanted.denseLogSumExp)
          if !(retained <= 1 + 1e-5) {
            log.fail(.retainedMassIsAtMostOne, "\(place()): the retained mass is \(retained)")
          }
        }
      }
    }
  }

  /// Everything kept: ‖Ô−O‖_F ≤ 1e-6 ‖O‖_F per head, prompt and decode steps apart.
  private func checkDense(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    log.look(at: .everythingEqualsDense)
    if original.session.caches.joined().contains(where: { !$0.coarsePositions.isEmpty }) {
      log.fail(.everythingEqualsDense, "tokens have given up bits")
    }
    // A coarse look rounds what it reads.
    let decodeTolerance = original.session.readsWholeAbove.map(Self.coarseTolerance) ?? 1e-6
    var player = SequencePlayer(
      AttentionSession(
        FullAttention(), shape: subject.shape, workspace: workspace,
        cache: subject.checkCase.cache),
      subject.sequence)
    let dense = player.finish(prompt: subject.promptTokens)
    let d = subject.shape.headDimension
    for layer in 0..<subject.shape.layers {
      for head in 0..<subject.shape.queryHeads {
        for rows in [0..<subject.promptTokens, subject.promptTokens..<subject.sequence.tokens] {
          var difference = 0.0
          var norm = 0.0
          for row in rows {
            for column in head * d..<(head + 1) * d {
              let o = Double(dense.outputs[layer][row, column])
              let found = Double(original.transcript.outputs[layer][row, column])
              difference += (found - o) * (found - o)
              norm += o * o
            }
          }
          let tolerance = rows.lowerBound < subject.promptTokens ? 1e-6 : decodeTolerance
          if !(difference.squareRoot() <= tolerance * norm.squareRoot()) {
            log.fail(
              .everythingEqualsDense,
              "layer \(layer), query head \(head), queries \(rows): ‖Ô−O‖ / ‖O‖ is \((difference / norm).squareRoot())"
            )
          }
        }
      }
    }
  }
}
