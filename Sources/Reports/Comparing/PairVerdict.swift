/// What a comparison comes to at one place: a model, a context length, and a task or several together.
struct PairVerdict {
  /// Of B against A: the one pair, or one for each text or task that is taken together.
  let pairs: [ComparedPair]
  /// `perplexity/continuation, 5 together`
  let task: String
  /// B minus A.
  let difference: PairedDifference
  /// Nil where bytes were not measured on both sides.
  let bytes: ComparedBytes?

  /// Pools, then the pairs that are in none: what stands in a pool is decided there.
  static func all(of pairs: [ComparedPair]) -> [PairVerdict] {
    let pools = PooledPair.all(of: pairs)
    let pooled = Set(pools.flatMap(\.pairs).map(PairPlace.init))
    return pools.map { PairVerdict($0.pairs, $0.title, $0.difference) }
      + pairs.filter { !pooled.contains(PairPlace($0)) }.compactMap { pair in
        pair.difference.map { PairVerdict([pair], pair.first.task, $0) }
      }
  }

  private init(_ pairs: [ComparedPair], _ task: String, _ difference: PairedDifference) {
    self.pairs = pairs
    self.task = task
    self.difference = difference
    bytes = ComparedBytes(pairs)
  }

  /// Full attention scores no better than guessing: a difference means nothing.
  var isAtChance: Bool { pairs[0].first.isAtChance }

  /// The strategies that acted only after the tokens that were scored.
  var later: [String] { pairs.flatMap(\.later).uniqued }

  /// Whether there is no verdict, whatever the numbers are.
  var saysNothing: Bool { isAtChance || !later.isEmpty }

  /// `smollm2-135m-instruct at 2,048 tokens, perplexity/continuation, 5 together`
  var place: String {
    let cell = pairs[0].first.cell
    return "\(cell.model) at \(NumberFormat.counted(cell.contextLength, "token")), \(task)"
  }

  /// What it comes to: whether the bytes are the same, by how much A is better or worse, how sure that is, and on how
  /// many clusters.
  ///
  /// Ends without a full stop.
  var sentence: String {
    if isAtChance { return "full attention is at chance here, so a difference means nothing" }
    if !later.isEmpty {
      let names = later.map { "\"\($0)\"" }.joined(separator: " and ")
      return
        "no verdict: the tokens that were scored are the prompt's own, and \(names) \(later.count == 1 ? "acts" : "act") "
        + "only after it, so what is lost here says nothing of the bytes held; compare the continuation protocol"
    }
    let claim = difference.figure == .score ? scoreClaim : likelihoodClaim
    guard let bytes else { return claim + "; KV bytes were not measured" }
    let size = NumberFormat.mebibytes
    if bytes.areSame {
      return "at the same \(bytes.kind) (\(size.text(bytes.first)) MiB) \(claim)"
    }
    let share = NumberFormat.significant.text(1 / bytes.ratio)
    return claim + "; \(bytes.kind) differ: A \(size.text(bytes.first)) MiB, B "
      + "\(size.text(bytes.second)) MiB (A holds \(share) of B's)"
  }

  private var likelihoodClaim: String {
    let format = NumberFormat.fixed(difference.decimals)
    let isLess = difference.mean > 0
    if difference.mean == 0 && difference.same == difference.clusterCount {
      return "A and B lose the same on \(everyCluster)"
    }
    // The amount that A loses less, or more: turned so that it is positive.
    let interval = difference.interval.map {
      format.text(isLess ? $0 : Interval(low: -$0.high, high: -$0.low))
    }
    let amount =
      "A loses \(format.text(abs(difference.mean))) nats a token \(isLess ? "less" : "more")"
    let count = isLess ? difference.up : difference.down
    let share = "on \(count) of \(difference.clusters)"
    guard let interval else {
      return "\(amount), \(share); how sure that is is not known, for an interval takes "
        + "\(PairedDifference.ClusterKind.window.least) windows of a text or "
        + "\(PairedDifference.ClusterKind.text.least) texts"
    }
    if difference.verdict != 0 { return "\(amount), \(interval), \(share)" }
    let reason =
      difference.interval?.contains(0) == false
      ? "texts of fewer than \(PairedDifference.ClusterKind.window.least) windows have to agree in all but one"
      : "the interval contains 0"
    return "no difference shown: \(amount), \(interval), \(share); \(reason)"
  }

  /// `all 8 windows`, `the 1 prompt`
  private var everyCluster: String {
    (difference.clusterCount == 1 ? "the " : "all ") + difference.clusters
  }

  private var scoreClaim: String {
    let isHigher = difference.mean < 0
    let (won, lost) =
      isHigher ? (difference.down, difference.up) : (difference.up, difference.down)
    if won + lost == 0 { return "A and B score the same on \(everyCluster)" }
    let amount = NumberFormat.fixed(difference.decimals).text(abs(difference.mean))
    let p = NumberFormat.significant.text(difference.pValue)
    let claim =
      "A scores \(amount) \(isHigher ? "higher" : "lower"), \(isHigher ? "better" : "worse") on \(won) and "
      + "\(isHigher ? "worse" : "better") on \(lost) of \(difference.clusters), p \(p)"
    return difference.verdict == 0 ? "no difference shown: \(claim)" : claim
  }
}

/// A pair among all others of a comparison.
private struct PairPlace: Hashable {
  let first: String
  let second: String
  let model: String

  init(_ pair: ComparedPair) {
    first = pair.first.cell.identity
    second = pair.second.cell.identity
    model = pair.first.cell.model
  }
}
