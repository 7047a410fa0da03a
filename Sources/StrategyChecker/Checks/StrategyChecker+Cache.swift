import Attention
import Records
import Tensors

/// What the cache holds and what it costs, against what retention decided.
extension StrategyChecker {
  func checkCache(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    log.look(at: .cacheHoldsWhatWasKept)
    let shape = subject.shape
    // Positions by layer and KV head as the decisions make them.
    var held = [[[Int]]](
      repeating: Array(repeating: [], count: shape.kvHeads), count: shape.layers)
    for decision in original.decisions {
      let layer = decision.layer
      if case .attending(let queries) = decision.purpose {
        let arrived =
          decision.phase == .prefill
          ? (held[layer][0].isEmpty ? 0..<subject.promptTokens : 0..<0) : queries
        for head in held[layer].indices { held[layer][head] += arrived }
      }
      if decision.held != held[layer] {
        log.fail(
          .cacheHoldsWhatWasKept,
          "layer \(layer): the cache holds \(decision.held.map(\.count)) tokens a KV head, retention left \(held[layer].map(\.count))"
        )
        held[layer] = decision.held
      }
      if case .retaining(let newest) = decision.purpose {
        for head in held[layer].indices {
          held[layer][head] = held[layer][head].filter {
            AttendedKeys.shows(decision.selections[head], position: $0, query: newest)
          }
        }
      }
    }
    let final = original.transcript.atEnd.map { $0.map(\.positions) }
    if final != held {
      log.fail(
        .cacheHoldsWhatWasKept,
        "at the end the cache holds \(final.map { $0.map(\.count) }) tokens by layer and KV head, retention left \(held.map { $0.map(\.count) })"
      )
    }
    checkRows(subject, original, log: &log)
    checkMemory(subject, original, log: &log)
  }

  /// Keys and values are those that came in.
  private func checkRows(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let d = subject.shape.headDimension
    for (layer, heads) in original.session.caches.enumerated() {
      for (index, head) in heads.enumerated() {
        let keys = head.keys
        let values = head.values
        for (slot, position) in head.positions.enumerated() {
          let key = keys.row(slot)
          let value = values.row(slot)
          for i in 0..<d {
            let column = index * d + i
            if key[i] != subject.sequence.keys[layer][Int(position), column]
              || value[i] != subject.sequence.values[layer][Int(position), column]
            {
              log.fail(
                .cacheHoldsWhatWasKept,
                "layer \(layer), KV head \(index): the row of token \(position) is not the one that was written"
              )
              return
            }
          }
        }
      }
    }
  }

  /// Storage is given back: what is allocated goes by the tokens held, rounded to pages and with room to grow.
  private func checkMemory(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let tokenBytes = (2 * subject.shape.headDimension + 1) * MemoryLayout<Float>.size
    let page = KVHead.pageTokens
    var hasLooked = false
    let moments = [
      ("after the prompt", original.transcript.afterPrompt, subject.promptTokens),
      ("at the end", original.transcript.atEnd, subject.sequence.tokens),
    ]
    for (moment, layers, seen) in moments {
      for (layer, heads) in layers.enumerated() {
        for (index, head) in heads.enumerated() {
          let kept = head.positions.count
          // Fewer than two pages may wait for the tokens to come.
          guard seen - kept > 4 * page else { continue }
          if !hasLooked {
            log.look(at: .memoryFalls)
            hasLooked = true
          }
          let limit = (kept + max(page, kept / 8) + 3 * page) * tokenBytes
          if head.allocatedBytes > limit || head.allocatedBytes >= seen * tokenBytes {
            log.fail(
              .memoryFalls,
              "\(moment), layer \(layer), KV head \(index): \(head.allocatedBytes) bytes for \(kept) of \(seen) tokens (\(tokenBytes) bytes each)"
            )
          }
        }
      }
    }
  }

  // MARK: Budgets

  /// A budget of tokens bounds what a KV head holds after the prompt and after each retention, or, for a strategy
  /// that evicts nothing, what a query attends to; on average over heads and layers, since a method may share its
  /// budget out unevenly. A density bounds the pairs of the prompt.
  func checkBudget(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let parameters = subject.checkCase.parameters
    let description = subject.description
    if let budget = parameters["budget"] {
      check(budget, of: description.phases, subject, original, log: &log)
    }
    for parameter in description.parameters {
      guard let phase = parameter.partPhase, let budget = parameters[parameter.name]?["budget"]
      else { continue }
      check(budget, of: [phase], subject, original, log: &log)
    }
  }

  /// - Parameter phases: what the budget is for.
  private func check(
    _ budget: JSONValue, of phases: [StrategyPhase], _ subject: CheckSubject,
    _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    if let tokens = budget["tokens"]?.integerValue {
      log.look(at: .staysWithinBudget)
      if phases.contains(.retention) {
        checkRetained(subject, original, atMost: max(1, tokens), log: &log)
      } else {
        checkAttended(subject, original, in: phases, atMost: max(1, tokens), log: &log)
      }
    }
    if let density = budget["density"]?.doubleValue, phases.contains(.prefill) {
      // A window of one token and the sinks are the least there is; short prompts are denser.
      guard subject.promptTokens >= 3 * ParameterSets.windowSize else { return }
      log.look(at: .staysWithinBudget)
      let n = subject.promptTokens
      let causal = Double(n * (n + 1) / 2 * subject.shape.layers * subject.shape.queryHeads)
      let pairs = original.transcript.calls.filter { $0.queries.lowerBound == 0 }
        .reduce(0) { $0 + $1.pairs.reduce(0) { $0 + $1.nominal } }
      if Double(pairs) / causal > density * 1.02 {
        log.fail(
          .staysWithinBudget,
          "the prompt's density is \(Double(pairs) / causal), the budget \(density)")
      }
    }
  }

  private func checkRetained(
    _ subject: CheckSubject, _ original: CheckSubject.Original, atMost budget: Int,
    log: inout CheckLog
  ) {
    func check(_ counts: [Int], _ moment: String) {
      let mean = Double(counts.reduce(0, +)) / Double(max(1, counts.count))
      if mean > Double(budget) {
        log.fail(
          .staysWithinBudget,
          "\(moment) KV heads hold \(mean) tokens on average, the budget is \(budget)")
      }
    }
    check(original.transcript.afterPrompt.flatMap { $0.map(\.positions.count) }, "after the prompt")
    var kept: [Int: [Int]] = [:]
    for decision in original.decisions where decision.phase == .decode {
      guard case .retaining(let newest) = decision.purpose else { continue }
      kept[newest, default: []] += zip(decision.selections, decision.held).map { selection, held in
        held.count { AttendedKeys.shows(selection, position: $0, query: newest) }
      }
    }
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
