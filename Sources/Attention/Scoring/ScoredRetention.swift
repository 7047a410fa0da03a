import Records
import Tensors

/// The strategy that a ``Scorer`` makes: its parameters, and the share of the prompt that stays.
public struct ScoredRetention<Method: Scorer>: Retains, Budgeted {
  public var scorer = Method()
  @Parameter(Retention.fractionSummary, 0...1, isReplacedByBudget: true)
  public var retainedFraction = 0.5
  @Parameter(
    "decoded tokens after which the cache is scored anew and cut back to its budget, the tokens decoded since then kept; 0: once, after the prompt",
    0..., isLeftOutAtDefault: true)
  public var evictEvery = 0
  public var budget: Budget?

  public init() {}

  public init(_ scorer: Method, budget: Budget? = nil) {
    self.scorer = scorer
    self.budget = budget
  }

  private enum CodingKeys: CodingKey { case retainedFraction, evictEvery }

  /// The parameters of both are members of one object.
  public init(from decoder: any Decoder) throws {
    scorer = try Method(from: decoder)
    let members = try decoder.container(keyedBy: CodingKeys.self)
    retainedFraction = try members.decode(Double.self, forKey: .retainedFraction)
    evictEvery = try members.decode(Int.self, forKey: .evictEvery)
  }

  public static var about: StrategyFacts {
    var about = Method.about
    about.budgets = Retention.budgetForms
    return about
  }

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try Retention.check(budget, of: Self.about.name)
    guard evictEvery == 0 || !scorer.evictsInDecode else {
      throw ConfigurationError(
        "evictEvery",
        "\(evictEvery): \(Self.about.name) cuts its cache back by a decode rule of its own; use 0")
    }
    try scorer.check(for: shape)
  }

  public struct State: StrategyState {
    /// Tokens that a KV head may hold; nil until a prompt decides it.
    var capacity: Int?
    var promptTokens = 0
    public var cacheBytes: Int { 0 }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    if case .tokens(let tokens) = budget { State(capacity: max(1, tokens)) } else { State() }
  }

  public func queriesDecodedTogether(from position: Int, state: State) -> Int {
    if scorer.evictsInDecode { return 1 }
    return evictEvery == 0 ? .max : evictEvery - (position - state.promptTokens) % evictEvery
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase, state: State) -> Bool {
    if phase == .prefill || scorer.evictsInDecode { return true }
    let decoded = position - state.promptTokens
    return evictEvery > 0 && decoded > 0 && decoded % evictEvery == 0
  }

  public var queriesForRetention: Int { min(max(1, scorer.observedQueries), max(1, evictEvery)) }

  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? {
    let capacity = Retention.tokens(budget, retainedFraction, ofPrompt: promptTokens)
    if scorer.evictsInDecode {
      return Retention.sliding(capacity, atStep: step, afterPrompt: promptTokens)
    }
    let kept = min(promptTokens, capacity)
    guard evictEvery > 0, step > 0 else { return Double(kept + step) }
    if scorer.leavesLayersWhole { return nil }
    let sinceCut = (step - 1) % evictEvery + 1
    return Double(min(capacity, kept + step - sinceCut) + sinceCut)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    if layer.phase == .prefill {
      let count = layer.newestQuery + 1
      state.promptTokens = count
      let mean = Retention.tokens(budget, retainedFraction, ofPrompt: count)
      state.capacity = max(1, scorer.capacity(mean: mean, ofPrompt: count, layer: layer))
    }
    // A budget may be any number, so the two are compared as means.
    guard let capacity = state.capacity,
      Double(layer.heads.reduce(0) { $0 + $1.count }) / Double(layer.heads.count) > Double(capacity)
    else { return }
    // What was decoded since the last cut stays.
    let decoded = layer.phase == .prefill ? 0 : evictEvery
    let scores = layer.forEachKVHead { scorer.scores(layer, kvHead: $0) }
    for (head, scores) in scores.enumerated() where scores.count != layer.heads[head].count {
      return layer.report(
        "\(Self.about.name) gave \(scores.count) scores for the \(layer.heads[head].count) tokens that KV head \(head) holds; give one for each"
      )
    }
    switch scorer.ranking {
    case .perKVHead:
      let forced = forcedTokens(of: layer.heads[0].count, newest: decoded).limited(to: capacity)
      let shares = scorer.shares(of: capacity, forced: forced.newest, scores)
      guard shares.count == kept.count, shares.allSatisfy({ $0 > 0 }) else {
        return layer.report(
          "\(Self.about.name) gave \(kept.count) KV heads the shares \(shares); give each at least 1 token"
        )
      }
      kept.selections = layer.forEachKVHead {
        best(shares[$0], of: layer.heads[$0], by: scores[$0], newest: decoded)
      }
    case .layerMean where layer.heads.allSatisfy { $0.positions == layer.heads[0].positions }:
      kept.fill(with: best(capacity, of: layer.heads[0], by: mean(scores), newest: decoded))
    case .layerMean:
      let means = meansByPosition(scores, layer.heads)
      kept.selections = layer.forEachKVHead {
        best(capacity, of: layer.heads[$0], by: means[$0], newest: decoded)
      }
    }
  }

  /// In double precision, so that the order of the heads does not matter.
  private func mean(_ scores: [[Float]]) -> [Float] {
    let share = 1 / Double(scores.count)
    return scores[0].indices.map { slot in
      Float(scores.reduce(0) { $0 + Double($1[slot]) } * share)
    }
  }

  /// The same where heads hold different tokens: by KV head and slot, the mean over the heads that
  /// hold a token.
  private func meansByPosition(_ scores: [[Float]], _ heads: [HeadCache]) -> [[Float]] {
    var sums: [Int32: (score: Double, heads: Double)] = [:]
    for (head, scores) in zip(heads, scores) {
      for (position, score) in zip(head.positions, scores) {
        let sum = sums[position] ?? (0, 0)
        sums[position] = (sum.score + Double(score), sum.heads + 1)
      }
    }
    let means = sums.mapValues { Float($0.score / $0.heads) }
    return heads.map { $0.positions.map { means[$0] ?? 0 } }
  }

  private func forcedTokens(of count: Int, newest: Int) -> ForcedTokens {
    var forced = scorer.forcedTokens(of: count)
    forced.newest = max(forced.newest, newest)
    return forced
  }

  /// The forced tokens of a head, its `newest` among them, and its best others, `capacity` in all.
  private func best(
    _ capacity: Int, of head: HeadCache, by scores: [Float], newest: Int
  ) -> Selection {
    let count = head.count
    guard capacity < count else { return .everything }
    let forced = forcedTokens(of: count, newest: newest).limited(to: capacity)
    let others = forced.first..<count - forced.newest
    var keeps = [Bool](repeating: true, count: count)
    for slot in others { keeps[slot] = false }
    var ranks = others.map { ScoreRank(score: scores[$0], index: $0) }
    let wanted = capacity - forced.first - forced.newest
    ranks.moveLargestToFront(wanted)
    for rank in ranks.prefix(wanted) { keeps[rank.index] = true }
    return Selection(slots: 0..<count, of: head) { keeps[$0] }
  }
}

/// What methods that evict after the prompt share about budgets.
enum Retention {
  static let fractionSummary =
    "share of the prompt's tokens that a KV head keeps; a budget replaces it"

  static let budgetForms: [BudgetForm] = [.fraction, .tokens, .bytes, .meanKvBytes, .matching]

  /// Throws for budgets that do not say what a cache keeps.
  static func check(_ budget: Budget?, of strategy: String) throws(ConfigurationError) {
    let allowed = "use fraction, tokens, bytes, meanKvBytes or matching (of kvBytes or meanKvBytes)"
    switch budget {
    case nil, .tokens: return
    case .density(let density, _):
      throw ConfigurationError(
        "budget",
        "a density of \(density): \(strategy) attends densely to the prompt and evicts after it, so a density sets nothing; \(allowed)"
      )
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: \(strategy) keeps a number of tokens, not a mass; \(allowed)"
      )
    }
  }

  /// What a KV head holds while the token of a decode step attends (after the prompt for step 0),
  /// where the cache is cut back to its capacity before each.
  static func sliding(
    _ capacity: Int, atStep step: Int, afterPrompt promptTokens: Int
  ) -> Double {
    Double(
      step == 0 ? min(promptTokens, capacity) : min(promptTokens + step - 1, capacity) + 1)
  }

  /// How many tokens a KV head keeps of a prompt.
  static func tokens(_ budget: Budget?, _ fraction: Double, ofPrompt count: Int) -> Int {
    if case .tokens(let tokens) = budget {
      max(1, tokens)
    } else {
      Share.tokens(fraction, of: count)
    }
  }
}
