import Attention
import Records
import Tensors

/// What a strategy keeps and attends to, against the budget that it was given.
extension StrategyChecker {
  /// A budget of tokens bounds the bytes that a KV head holds after the prompt, and, for a strategy that evicts in
  /// decode, the tokens after each retention there; or, for a strategy that evicts nothing, what a query attends to. On
  /// average over heads and layers, since a method may share its budget out unevenly. A density bounds the pairs of the
  /// prompt.
  func checkBudget(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    guard let composed = subject.configured.strategy as? any HasParts else {
      return check(
        subject.configured, in: subject.description.budgetPhases, subject, original, log: &log)
    }
    for part in composed.parts where part.configured.description.budgetPhases.contains(part.phase) {
      check(part.configured, in: [part.phase], subject, original, log: &log)
    }
  }

  /// Holds it to the budget as stated, whatever it makes of it.
  private func check(
    _ configured: ConfiguredStrategy, in phases: [StrategyPhase], _ subject: CheckSubject,
    _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let n = subject.promptTokens
    let budget = configured.budget?.resolved(
      promptTokens: n, meanPromptTokens: Double(n), shape: subject.shape,
      cache: subject.checkCase.cache
    ) { use in use == .density ? 1 : Double(n) }
    switch budget {
    case .tokens(let tokens):
      log.look(at: .staysWithinBudget)
      if phases.contains(.retention) {
        checkRetained(subject, original, atMost: max(1, tokens), log: &log)
      } else {
        checkAttended(subject, original, in: phases, atMost: max(1, tokens), log: &log)
      }
    // A window of one token and the sinks are the least there is; short prompts are denser.
    case .density(let density, _)
    where phases.contains(.prefill) && n >= 3 * ParameterSets.windowSize:
      log.look(at: .staysWithinBudget)
      let causal = Double(n * (n + 1) / 2 * subject.shape.layers * subject.shape.queryHeads)
      let pairs = original.transcript.calls.filter { $0.queries.lowerBound == 0 }
        .reduce(0) { $0 + $1.pairs.reduce(0) { $0 + $1.nominal } }
      if Double(pairs) / causal > density * 1.02 {
        log.fail(
          .staysWithinBudget,
          "the prompt's density is \(Double(pairs) / causal), the budget \(density)")
      }
    case .density, .mass, nil: return
    }
  }

  private func checkRetained(
    _ subject: CheckSubject, _ original: CheckSubject.Original, atMost budget: Int,
    log: inout CheckLog
  ) {
    func check(_ counts: [Double], _ moment: String) {
      let mean = counts.reduce(0, +) / Double(max(1, counts.count))
      if mean > Double(budget) {
        log.fail(
          .staysWithinBudget,
          "\(moment) KV heads hold the bytes of \(mean) exact tokens on average, the budget is \(budget)"
        )
      }
    }
    let format = subject.checkCase.cache
    let tokenBytes = format.tokenBytes(headDimension: subject.shape.headDimension)
    let means =
      subject.promptTokens < CacheFormat.leastCentred
      ? 0 : format.meanBytes(headDimension: subject.shape.headDimension)
    check(
      original.transcript.afterPrompt.flatMap { heads in
        heads.map { head in
          // Where tokens grow smaller with age, a budget of tokens says nothing of bytes.
          format.bytesChangeWithAge
            ? Double(head.positions.count - head.coldCount)
            : Double(head.logicalBytes - means) / Double(tokenBytes)
        }
      }, "after the prompt")
    var kept: [Int: [Double]] = [:]
    var evictsInDecode = false
    for decision in original.decisions where decision.phase == .decode {
      guard case .retaining(let newest) = decision.purpose else { continue }
      kept[newest, default: []] += zip(decision.selections, decision.held).map { selection, held in
        let count = held.count { AttendedKeys.shows(selection, position: $0, query: newest) }
        if count < held.count { evictsInDecode = true }
        return Double(count)
      }
    }
    // Else what is generated comes on top of the budget.
    guard evictsInDecode else { return }
    for (newest, counts) in kept.sorted(by: { $0.key < $1.key })
    where counts.count == subject.shape.layers * subject.shape.kvHeads {
      check(counts, "after the retention at query \(newest)")
    }
  }

  private func checkAttended(
    _ subject: CheckSubject, _ original: CheckSubject.Original, in phases: [StrategyPhase],
    atMost budget: Int, log: inout CheckLog
  ) {
    let attended = AttendedKeys(
      original.decisions, shape: subject.shape, tokens: subject.sequence.tokens)
    let first = phases.contains(.prefill) ? 0 : subject.promptTokens
    let end = phases.contains(.decode) ? subject.sequence.tokens : subject.promptTokens
    let heads = Double(subject.shape.layers * subject.shape.queryHeads)
    for query in first..<max(first, end) {
      let count = attended.keys.reduce(0) { $0 + $1[query].reduce(0) { $0 + $1.count } }
      if Double(count) / heads > Double(budget) {
        log.fail(
          .staysWithinBudget,
          "query \(query) attends to \(Double(count) / heads) keys a head on average, the budget is \(budget)"
        )
      }
    }
  }
}
