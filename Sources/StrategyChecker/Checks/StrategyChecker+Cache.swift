import Attention
import JSON
import Kernels
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
    var cold = [[Set<Int>]](
      repeating: Array(repeating: [], count: shape.kvHeads), count: shape.layers)
    /// What the last retention of a layer kept, until its tiers are decided.
    var leaving: [Int: [Selection]] = [:]
    let hasTiers = original.decisions.contains {
      if case .cooling = $0.purpose { true } else { false }
    }
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
      if decision.cold.map({ Set($0) }) != cold[layer] {
        log.fail(
          .cacheHoldsWhatWasKept,
          "layer \(layer): the cold tier holds \(decision.cold.map(\.count)) tokens a KV head, \(cold[layer].map(\.count)) were moved to it"
        )
        cold[layer] = decision.cold.map { Set($0) }
      }
      switch decision.purpose {
      case .attending: break
      case .retaining(let newest):
        if hasTiers {
          // The cache follows with the decision on tiers.
          leaving[layer] = decision.selections
        } else {
          for head in held[layer].indices {
            held[layer][head] = held[layer][head].filter {
              AttendedKeys.shows(decision.selections[head], position: $0, query: newest)
            }
          }
        }
      // A cold token stays.
      case .cooling(let newest):
        let kept = leaving[layer] ?? decision.selections
        for head in held[layer].indices {
          held[layer][head] = held[layer][head].filter {
            cold[layer][head].contains($0)
              || AttendedKeys.shows(kept[head], position: $0, query: newest)
          }
          cold[layer][head].formUnion(
            held[layer][head].filter {
              !AttendedKeys.shows(decision.selections[head], position: $0, query: newest)
            })
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
        if let tier = head.cold, let place = firstWrongRow(tier, subject, layer, index) {
          log.fail(
            .cacheHoldsWhatWasKept,
            "layer \(layer), KV head \(index): the cold row of token \(place) is further from what was written than its steps allow"
          )
          return
        }
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

  /// A token whose cold row differs by more than half a step and what rounding to half floats adds.
  private func firstWrongRow(
    _ tier: ColdTier, _ subject: CheckSubject, _ layer: Int, _ kvHead: Int
  ) -> Int? {
    let found = ColdScores.rows(of: tier)
    let size = ColdTier.pageTokens
    for (read, written) in [
      (found.keys, subject.sequence.keys[layer]), (found.values, subject.sequence.values[layer]),
    ] {
      for page in 0..<tier.pageCount {
        let tokens = page * size..<(page + 1) * size
        for channel in 0..<tier.headDimension {
          let column = kvHead * tier.headDimension + channel
          let rows = tokens.map { written[Int(tier.positions[$0]), column] }
          let low = rows.min() ?? 0
          let range = (rows.max() ?? 0) - low
          let step = range / Float(tier.format.levels)
          // Half floats have 11 bits, and steps of 2^-24 where they are smallest.
          let allowed =
            step / 2 + (range + abs(low)) / 1024 + Float(tier.format.levels) * 0x1p-24
          for (token, row) in zip(tokens, rows) where !(abs(read[token, channel] - row) <= allowed)
          {
            return Int(tier.positions[token])
          }
        }
      }
    }
    return nil
  }

  /// Storage is given back: what is allocated goes by the tokens held, rounded to pages and with room to grow; a cold
  /// token takes at most half of an exact one.
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
          let kept = head.positions.count - head.coldCount
          // Fewer than two pages may wait for the tokens to come.
          guard seen - kept > 4 * page else { continue }
          if !hasLooked {
            log.look(at: .memoryFalls)
            hasLooked = true
          }
          let limit =
            (kept + max(page, kept / 8) + 3 * page) * tokenBytes + head.coldCount * tokenBytes / 2
          if head.allocatedBytes > limit || head.allocatedBytes >= seen * tokenBytes {
            log.fail(
              .memoryFalls,
              "\(moment), layer \(layer), KV head \(index): \(head.allocatedBytes) bytes for \(kept) exact and \(head.coldCount) cold of \(seen) tokens (\(tokenBytes) bytes each)"
            )
          }
        }
      }
    }
  }

  // MARK: Budgets

  /// A budget of tokens bounds the bytes that a KV head holds after the prompt, and, for a strategy that evicts in
  /// decode, the tokens after each retention there; or, for a strategy that evicts nothing, what a query attends to. On
  /// average over heads and layers, since a method may share its budget out unevenly. A density bounds the pairs of the
  /// prompt.
  func checkBudget(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let parameters = subject.checkCase.parameters
    let description = subject.description
    if let budget = parameters["budget"] {
      check(budget, of: description.budgetPhases, subject, original, log: &log)
    }
    for parameter in description.parameters {
      guard let phase = parameter.partPhase, let part = parameters[parameter.name],
        let budget = part["budget"],
        StrategyRegistry.builtIn.entry(named: part["name"]?.stringValue ?? "")?.description
          .budgetPhases.contains(phase) != false
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
    func check(_ counts: [Double], _ moment: String) {
      let mean = counts.reduce(0, +) / Double(max(1, counts.count))
      if mean > Double(budget) {
        log.fail(
          .staysWithinBudget,
          "\(moment) KV heads hold the bytes of \(mean) exact tokens on average, the budget is \(budget)"
        )
      }
    }
    let tokenBytes = 2 * subject.shape.headDimension * MemoryLayout<Float>.size
    check(
      original.transcript.afterPrompt.flatMap {
        $0.map { Double($0.logicalBytes) / Double(tokenBytes) }
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
