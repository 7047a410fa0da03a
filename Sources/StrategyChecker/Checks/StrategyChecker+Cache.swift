import Attention
import Kernels
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
    var coarse = cold
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
      for head in held[layer].indices {
        coarse[layer][head].formIntersection(held[layer][head])
        if Set(decision.coarse[head]) != coarse[layer][head] {
          log.fail(
            .cacheHoldsWhatWasKept,
            "layer \(layer), KV head \(head): \(decision.coarse[head].count) tokens have their highest bits alone, \(coarse[layer][head].count) were to"
          )
          coarse[layer][head] = Set(decision.coarse[head])
        }
      }
      switch decision.purpose {
      case .attending: break
      case .coarsening(let newest):
        for head in held[layer].indices {
          coarse[layer][head].formUnion(
            held[layer][head].filter {
              !AttendedKeys.shows(decision.selections[head], position: $0, query: newest)
            })
        }
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

  /// Keys and values are those that came in, as the format holds them.
  private func checkRows(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let d = subject.shape.headDimension
    for (layer, heads) in original.session.caches.enumerated() {
      for (index, head) in heads.enumerated() {
        let keys = head.keys
        let values = head.values
        if let tier = head.cold, let place = firstWrongRow(tier, subject.rows[layer].states, index)
        {
          log.fail(
            .cacheHoldsWhatWasKept,
            "layer \(layer), KV head \(index): the cold row of token \(place) is further from what was written than its steps allow"
          )
          return
        }
        let coarse = Set(head.coarsePositions)
        for (slot, position) in head.positions.enumerated() {
          let key = keys.row(slot)
          let value = values.row(slot)
          // What the next query would attend to.
          let next = subject.sequence.tokens
          let keysHeld = subject.rows[layer].keys(of: Int(position), at: next)
          let valuesHeld = subject.rows[layer].values(of: Int(position), at: next)
          let columns = index * d..<(index + 1) * d
          if coarse.contains(position) {
            if !Self.isCoarse(key, of: keysHeld, Int(position), columns)
              || !Self.isCoarse(value, of: valuesHeld, Int(position), columns)
            {
              log.fail(
                .cacheHoldsWhatWasKept,
                "layer \(layer), KV head \(index): the coarse row of token \(position) is far from the one that was written"
              )
              return
            }
            continue
          }
          for i in 0..<d {
            let column = index * d + i
            if key[i] != keysHeld[Int(position), column]
              || value[i] != valuesHeld[Int(position), column]
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

  /// Whether a row of few bits is closer to what was written than the rows of all tokens are to one another: that it is what
  /// it should be, the kernel's own tests say.
  private static func isCoarse(
    _ row: Span<Float>, of written: Matrix, _ token: Int, _ columns: Range<Int>
  ) -> Bool {
    let means = columns.map { column in
      (0..<written.rows).reduce(0) { $0 + Double(written[$1, column]) } / Double(written.rows)
    }
    var (error, size) = (0.0, 0.0)
    for (i, column) in columns.enumerated() {
      let number = Double(written[token, column])
      error += (Double(row[i]) - number) * (Double(row[i]) - number)
      size += (number - means[i]) * (number - means[i])
    }
    return error <= 0.5 * size + 1e-12
  }

  /// A token whose cold row differs by more than half a step and what rounding to half floats adds from what the exact
  /// tier held, in whichever state that was when its page was filled.
  private func firstWrongRow(
    _ tier: ColdTier, _ states: [(keys: Matrix, values: Matrix)], _ kvHead: Int
  ) -> Int? {
    let found = ColdScores.rows(of: tier)
    for page in 0..<tier.pageCount {
      for (read, written) in [
        (found.keys, states.map(\.keys)), (found.values, states.map(\.values)),
      ] {
        let wrong = written.map { firstWrongRow(tier, page: page, read, $0, kvHead) }
        if let place = wrong.first ?? nil, !wrong.contains(nil) { return place }
      }
    }
    return nil
  }

  private func firstWrongRow(
    _ tier: ColdTier, page: Int, _ read: Matrix, _ written: Matrix, _ kvHead: Int
  ) -> Int? {
    let size = ColdTier.pageTokens
    let tokens = page * size..<(page + 1) * size
    for channel in 0..<tier.headDimension {
      let column = kvHead * tier.headDimension + channel
      let rows = tokens.map { written[Int(tier.positions[$0]), column] }
      let low = rows.min() ?? 0
      let range = (rows.max() ?? 0) - low
      let step = range / Float(tier.format.levels)
      // Half floats have 11 bits, and steps of 2^-24 where they are smallest.
      let allowed = step / 2 + (range + abs(low)) / 1024 + Float(tier.format.levels) * 0x1p-24
      for (token, row) in zip(tokens, rows) where !(abs(read[token, channel] - row) <= allowed) {
        return Int(tier.positions[token])
      }
    }
    return nil
  }

  /// Storage is given back: what is allocated goes by the tokens held, rounded to pages and with room to grow; a cold
  /// token takes at most half of one in float32.
  private func checkMemory(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    let d = subject.shape.headDimension
    let format = subject.checkCase.cache
    let tokenBytes = format.tokenBytes(headDimension: d) + MemoryLayout<Int32>.size
    let coldBytes = (2 * d + 1) * MemoryLayout<Float>.size / 2
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
          var limit =
            (kept + max(page, kept / 8) + 3 * page) * tokenBytes + head.coldCount * coldBytes
          var isFreed = head.allocatedBytes < seen * tokenBytes
          if format.changesWithAge {
            // A group of keys stays while a token of it does, and the most recent tokens are half floats.
            limit += kept * 32 * tokenBytes + (2 * 128 + 3 * page) * 4 * d
            isFreed = true
          }
          if head.allocatedBytes > limit || !isFreed {
            log.fail(
              .memoryFalls,
              "\(moment), layer \(layer), KV head \(index): \(head.allocatedBytes) bytes for \(kept) exact and \(head.coldCount) cold of \(seen) tokens (\(tokenBytes) bytes each)"
            )
          }
        }
      }
    }
  }
}
