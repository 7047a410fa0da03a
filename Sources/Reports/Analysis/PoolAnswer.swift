import Foundation
import Records

/// What one pool (a model, a context length, a kind of task) says in words, each claim with its interval or with why
/// there is none. Nothing is called better where the interval holds 0.
struct PoolAnswer {
  let pool: Pool
  /// Of the pool's strategies whose bytes were measured, full among them.
  let points: [ParetoPoint]
  /// The contrasts that the spec names, corrected for their number: all others are exploratory, since they are chosen by
  /// the numbers themselves.
  var primary: [TestedContrast] = []

  /// The share of full's bytes that strategies are asked to keep within, and how exactly budgets are met.
  static let limit = 0.25
  static let tolerance = 1.01

  /// `smollm2-135m at 2,048 tokens`
  var place: String { pool.place }

  /// What can be taken in full's stead: neither full nor an oracle.
  private var candidates: [(point: ParetoPoint, share: Double, difference: PairedDifference)] {
    points.compactMap { point in
      guard point.row.cell.strategyRole != .oracle, let share = point.share,
        let difference = point.toFull
      else { return nil }
      return (point, share, difference)
    }
  }

  /// Those within the limit, or else those that come nearest; the one that loses least first.
  private var contenders: [(point: ParetoPoint, share: Double, difference: PairedDifference)] {
    let most = max(Self.limit, candidates.map(\.share).min() ?? 0) * Self.tolerance
    return candidates.filter { $0.share <= most }
      .sorted { $0.difference.loss < $1.difference.loss }
  }

  /// The strategy that the answer is about.
  var best: ParetoPoint? { contenders.first?.point }

  // MARK: - Who loses least

  var leastLoss: String? {
    guard let best = contenders.first else { return nil }
    let share = NumberFormat.fixed(3).text(best.share)
    let reference = pool.byteReference
    let within =
      best.share <= Self.limit * Self.tolerance
      ? "at no more than a quarter of \(reference) (\(share))"
      : "at \(share) of \(reference), the least that was measured"
    let rivals = contenders.dropFirst()
    let rest =
      rivals.isEmpty
      ? "; \(next(after: best.point))"
      : rivals.first.map { ". \(lead(of: best.point, over: $0.point))" } ?? ""
    return "\"\(best.point.label)\" \(rivals.isEmpty ? "loses" : "loses least:") "
      + best.difference.lossWords + Self.perplexity(best.difference) + ", \(within)"
      + wholeCache(best.point)
      + (best.point.row.looksAhead ? "; its selection saw the tokens that are scored" : "") + rest
  }

  /// What comes nearest where nothing else is within the limit.
  private func next(after best: ParetoPoint) -> String {
    guard
      let next = candidates.filter({ $0.point.label != best.label })
        .min(by: { $0.share < $1.share })
    else { return "no other method was measured" }
    let (size, loss) = (NumberFormat.fixed(3).text(next.share), next.difference)
    return "no other is as small, the next is \"\(next.point.label)\" at \(size), "
      + (loss.figure == .score ? "score " : "") + loss.format.text(loss.mean)
  }

  /// The same loss as readers of perplexities know it.
  private static func perplexity(_ difference: PairedDifference) -> String {
    guard difference.figure == .negativeLogLikelihood else { return "" }
    let percent = 100 * (exp(difference.mean) - 1)
    return " (perplexity \(NumberFormat.signed(1).text(percent)) %)"
  }

  /// What no method frees counts too: layers with a window of their own.
  private func wholeCache(_ point: ParetoPoint) -> String {
    guard pool.byteShare == .meanLogical, let share = point.share,
      let whole = pool.mean(point.label, ByteShare.meanResident.value), whole > share + 0.1
    else { return "" }
    // One that is such a cache itself rounds them, too.
    let controls = (point.isPlainCache ? [] : quantised).compactMap { cache in
      pool.mean(cache.label, ByteShare.meanResident.value).map { (cache.label, $0) }
    }
    let control = controls.min { $0.1 < $1.1 }.map { label, share in
      "; \"\(label)\", which rounds those too, is at \(NumberFormat.fixed(2).text(share))"
    }
    return
      ". Of all that is allocated it holds \(NumberFormat.fixed(2).text(whole)), layers with a window included\(control ?? "")"
  }

  /// The same where bytes were not measured.
  var leastOfAll: String? {
    guard points.isEmpty, let full = pool.full else { return nil }
    let found = pool.compared.compactMap { label in
      let isOracle = pool.cells(of: label)?.first?.cell.strategyRole == .oracle
      return label == full || isOracle
        ? nil : pool.difference(from: full, to: label).map { (label: label, difference: $0) }
    }
    return found.min { $0.difference.loss < $1.difference.loss }.map { best in
      "of \(NumberFormat.counted(found.count, "strategy", plural: "strategies")) \"\(best.label)\" loses least: "
        + best.difference.lossWords
    }
  }

  /// Whether the second place is beyond chance. A primary contrast has its correction, at the top as below.
  private func lead(of best: ParetoPoint, over second: ParetoPoint) -> String {
    guard let lead = pool.difference(from: best.label, to: second.label) else {
      return "\"\(second.label)\" shares no windows or prompts with it"
    }
    guard lead.isKnown else {
      return "Whether it leads \"\(second.label)\" is not known: \(lead.evidence)"
    }
    guard let tested = contrast(best.label, second.label), let corrected = tested.corrected else {
      return lead.verdict > 0
        ? "\"\(second.label)\" loses more, by \(lead.evidence), exploratory"
        : "Not told apart from \"\(second.label)\", \(lead.evidence), exploratory"
    }
    let evidence =
      lead.evidence(lead.interval(level: corrected.level))
      + ", corrected p \(NumberFormat.significant.text(corrected.pValue))"
    return tested.verdict == 0
      ? "Against \"\(second.label)\" nothing is decided: \(evidence)"
      : "\"\(second.label)\" loses more, by \(evidence)"
  }

  private func contrast(_ first: String, _ second: String) -> TestedContrast? {
    primary.first { Set([$0.contrast.first, $0.contrast.second]) == [first, second] }
  }

  // MARK: - Quantised caches

  private var quantised: [ParetoPoint] { points.filter { !$0.isFull && $0.isPlainCache } }

  private var methods: [ParetoPoint] {
    candidates.map(\.point).filter { !$0.isPlainCache }
  }

  /// Whether a cache in fewer bits alone does what the methods do; nil where none was measured.
  var quantisedCache: String? {
    if quantised.isEmpty { return nil }
    if methods.isEmpty { return smallestFormat }
    guard (quantised + methods).contains(where: { $0.toFull?.isKnown == true }) else {
      let reason = quantised[0].toFull?.evidence ?? ""
      return "whether a plain quantised cache does better is not known: \(reason)"
    }
    let winners = quantised.map { cache in
      (cache, methods.filter { $0.dominators.contains { $0.label == cache.label } })
    }
    let clauses = winners.compactMap { cache, beaten -> String? in
      guard !beaten.isEmpty, let share = cache.share, let loss = cache.toFull?.lossWords else {
        return nil
      }
      return
        "\"\(cache.label)\" (\(NumberFormat.fixed(3).text(share)) of the bytes, \(loss)) beats "
        + "\(beaten.count) of \(NumberFormat.counted(methods.count, "method")) at no more bytes: "
        + Self.listed(beaten.map(\.label))
    }
    let found =
      clauses.isEmpty
      ? ["none beats any of \(NumberFormat.counted(methods.count, "method")) at no more bytes"]
      : clauses
    let isTimed = (quantised + methods).contains { $0.dominators.contains(where: \.isTimed) }
    return (found + [beatenCaches]).joined(separator: ". ")
      + (isTimed ? "" : ". All by bytes and loss, for they were not timed together")
  }

  private static func listed(_ labels: [String]) -> String {
    let named = labels.prefix(3).map { "\"\($0)\"" }.joined(separator: ", ")
    return labels.count > 3 ? "\(named) and \(labels.count - 3) more" : named
  }

  /// Which of the caches is beaten by a method: by one whose contrast is decided where there is such, else by
  /// the one that loses least.
  private var beatenCaches: String {
    let beaten = quantised.compactMap { cache -> String? in
      let winners = methods.filter { method in
        cache.dominators.contains { $0.label == method.label }
      }.map { ($0, contrast($0.label, cache.label).map { $0.verdict != 0 }) }
      let winner = winners.min { one, other in
        let (first, second) = (one.1 == true ? 0 : 1, other.1 == true ? 0 : 1)
        return (first, one.0.toFull?.loss ?? 0) < (second, other.0.toFull?.loss ?? 0)
      }
      return winner.map { winner, isDecided in
        let kind =
          switch isDecided {
          case true?: "decided"
          case false?: "not decided once corrected"
          case nil: "exploratory"
          }
        return "\"\(winner.label)\" beats \"\(cache.label)\" at no more bytes (\(kind))"
      }
    }
    return beaten.isEmpty
      ? "No method beats a quantised cache at no more bytes" : beaten.joined(separator: ", ")
  }

  /// Where caches are all there is.
  private var smallestFormat: String? {
    let known = quantised.filter { $0.toFull?.isKnown == true }
    guard !known.isEmpty else {
      return quantised[0].toFull.map { "what a format loses is not known: \($0.evidence)" }
    }
    let harmless = known.filter { ($0.toFull?.verdict ?? 0) <= 0 }
      .min { $0.bytes < $1.bytes }
    guard let harmless, let share = harmless.share, let difference = harmless.toFull else {
      return "every format loses something beyond chance"
    }
    return "the smallest cache whose loss is not told apart from none is \"\(harmless.label)\" "
      + "(\(NumberFormat.fixed(3).text(share))): \(difference.lossWords)"
  }

  // MARK: - Where it fails

  var worst: String? {
    guard let best else { return nil }
    guard pool.isPool else {
      return
        "there is one \(pool.noun) only, \(pool.names[0]): what \"\(best.label)\" does on others is not known"
    }
    guard let worst = pool.worst(best.label) else { return nil }
    return "\"\(best.label)\" loses most on \(worst.name): \(worst.difference.lossWords)"
  }
}

extension ParetoPoint {
  /// Full attention over a cache in another format.
  fileprivate var isPlainCache: Bool { row.cell.strategy == pool.fullStrategy }
}

extension Pool {
  /// The name of the strategy that full is.
  fileprivate var fullStrategy: String? {
    full.flatMap { cells(of: $0)?.first?.cell.strategy }
  }
}

extension PairedDifference {
  /// Whether there is an interval or a test.
  fileprivate var isKnown: Bool { pValue != nil }

  /// `+0.0123 nats a token [+0.0010, +0.0236]`, `-0.250 (p 0.125)`, `+0.0123 nats a token, without an interval
  /// (3 windows, fewer than 8)`
  fileprivate var evidence: String { evidence(interval) }

  /// With an interval at another level.
  fileprivate func evidence(_ interval: Interval?) -> String {
    let value = format.text(mean) + (figure == .score ? "" : " nats a token")
    if let interval { return "\(value) \(format.text(interval))" }
    if figure == .score { return "\(value) (p \(NumberFormat.significant.text(pValue)))" }
    return "\(value), without an interval (\(clusters), fewer than \(clusterKind.least))"
  }

  /// The same against full, with how many texts, windows or prompts agree, and said where it is no loss.
  var lossWords: String {
    let agreeing = mean < 0 ? down : up
    if figure == .score {
      let three = NumberFormat.fixed(3)
      return "score \(three.text(second)) against \(three.text(first)) of full, \(evidence), over "
        + clusters + (isKnown && verdict == 0 ? ", not told apart" : "")
    }
    return evidence + (interval?.contains(0) == true ? " (holds 0)" : "")
      + (interval == nil ? "" : " over \(clusters)")
      + (clusterCount > 1 ? ", \(mean < 0 ? "below" : "above") full on \(agreeing) of them" : "")
  }
}
