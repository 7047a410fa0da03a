import Records
import Tensors

/// Our own: after the prompt the tokens that matter keep all their bits, most others the highest ones alone, and as few as
/// possible leave.
///
/// In a cache of the format `nested` a token can give up the lower 4 bits of its key's numbers and the lower 6 of its value's:
/// 3 bits a number are left, two fifths of its bytes. The first `sinks` and the prompt's `newest` tokens keep all bits, and of its
/// others the share `whole`. Generated tokens, and those newest ones, give up theirs once `localWindow` newer ones have come,
/// 32 at a time.
///
/// What a token is worth is its mean attention by those of the prompt's queries that see it, half as many of each `halfLife` of
/// them as of the next newer ones (``RecedingQueries``), the largest of a group's heads. Who keeps all bits is said by that
/// times how far its value is from the mean value.
///
/// Without a budget every token stays. A budget of tokens means the bytes of so many tokens with all bits. Of what sinks and
/// newest tokens leave of it (they take half of it at most) the share `whole` goes to tokens with all bits, the rest to others;
/// where these are all tokens, what is left over buys bits for more of them. Else some leave. Of the places for tokens with
/// few bits the share `odd` goes to those whose keys differ most in direction from the keys around them, `neighbourhood` on
/// either side (as in KeyDiff, but from all keys there): a later question may ask for what no query of the prompt had a use
/// for, and that is often odd. For the others a token's attention counts times that difference. Both are pooled over `kernel`
/// neighbours: pooling helps in saying which tokens are never needed, and hurts in saying which matter most. Heads of a layer
/// have the share `floorFraction` of what stays in equal parts, and the rest as its largest scores fall. A budget of at least
/// all tokens of the prompt changes nothing, of what follows it neither. What each of these rules is good for:
/// docs/findings.md.
///
/// Decode queries read as ``Skim``'s do: queries in 8 bits, tokens with a larger share of a head's attention than `exactAbove`
/// by all bits that they have, others by the highest.
public struct Fade: Skims, Coarsens, Budgeted {
  public static let about = StrategyFacts(
    "fade",
    "Our own: few tokens keep all their bits after the prompt, the others 3 bits a number; needs the cache nested.",
    .own, source: "docs/findings.md", budgets: Retention.budgetForms, budgetPhases: [.retention])

  @Parameter(
    "share of the tokens, sinks and newest apart, that keep all their bits; under a budget the least share of its bytes",
    0...1)
  public var whole = 1.0 / 16
  @Parameter("first tokens that keep all their bits", 0...) public var sinks = 4
  @Parameter("last tokens of a prompt that keep all their bits", 1...) public var newest = 16
  @Parameter(
    "generated tokens, and a prompt's newest, keep all their bits until so many newer ones have come; by default an eighth of a budget's tokens in whole 32s, 32 to 512, without a budget 128",
    1...)
  public var localWindow: Int? = nil
  @Parameter(
    "of a prompt's queries the newest so many are asked, of as many before them half, and so on",
    1...)
  public var halfLife = 256
  @Parameter("neighbouring keys over which scores are pooled for who leaves", 1...)
  public var kernel = 7
  @Parameter(
    "where tokens leave, the share of the places for tokens with few bits that goes to the oddest keys",
    0...1)
  public var odd = 0.25
  @Parameter("a key is odd if it differs from so many before and after it", 1...)
  public var neighbourhood = 256
  @Parameter(
    "share of the tokens that stay which the KV heads of a layer have in equal parts", 0...1)
  public var floorFraction = 0.2
  @Parameter(
    "a token that has all its bits is read by them if it has a larger share of a query head's attention",
    0...1)
  public var exactAbove = 1.0 / 4096
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try Retention.check(budget, of: Self.about.name)
  }

  public struct State: StrategyState {
    /// Tokens before this position have been judged.
    var settled = 0
    /// Whether those of a prompt have.
    var hasJudged = false
    /// What keeps all bits, by KV head, between the two halves of a retention; else empty.
    var whole: [Selection] = []

    public var cacheBytes: Int { whole.heldBytes }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State { State(settled: sinks) }

  /// Tokens that fade together.
  private static let page = 32

  private var budgetTokens: Int? {
    if case .tokens(let tokens) = budget { max(1, tokens) } else { nil }
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    switch phase {
    case .prefill: budgetTokens.map { $0 < position } ?? true
    case .decode: position % Self.page == 0
    }
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase, state: State) -> Bool {
    guard retentionIsDue(before: position, phase: phase) else { return false }
    // A budget that covers the prompt covers what follows.
    return phase == .prefill
      || (budget == nil || state.hasJudged) && position - wait > state.settled
  }

  /// How many newer ones a token waits for before it gives up bits.
  private var wait: Int {
    localWindow ?? budgetTokens.map { min(512, max(32, $0 / 8 / Self.page * Self.page)) } ?? 128
  }

  private func plan(_ tokens: Int, headDimension: Int) -> FadePlan {
    FadePlan(
      tokens: tokens, budget: budgetTokens, whole: whole,
      forced: ForcedTokens(first: sinks, newest: newest),
      bytes: FadeBytes(headDimension: headDimension))
  }

  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? {
    let plan = plan(promptTokens, headDimension: headDimension)
    var whole = plan.whole + step
    // The last cut was before the step of a page's first token.
    let cut = (promptTokens + step - 1) / Self.page * Self.page
    if step > 0, cut >= promptTokens, budgetTokens.map({ $0 < promptTokens }) ?? true {
      whole -= max(0, cut - wait - settled(ofPrompt: promptTokens, plan))
    }
    let bytes = FadeBytes(headDimension: headDimension)
    return Double(bytes.of(plan.kept + step, whole: whole)) / Double(bytes.of(1, whole: 1))
  }

  /// Tokens before this position are judged with the prompt; later ones have all bits until they are old.
  private func settled(ofPrompt tokens: Int, _ plan: FadePlan) -> Int {
    max(sinks, tokens - plan.forcedWhole.newest)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    let position = layer.newestQuery
    guard layer.phase == .prefill else {
      let end = max(state.settled, position + 1 - wait)
      var whole = Selection(window: LocalWindow(width: position - end))
      whole.keep(0..<state.settled)
      state.settled = end
      state.whole = Array(repeating: whole, count: kept.count)
      return
    }
    let count = position + 1
    let plan = plan(count, headDimension: layer.shape.headDimension)
    let queries = RecedingQueries(ofTokens: count, halfLife: halfLife)
    let attention = layer.forEachQueryHead { queries.meanAttention(layer, queryHead: $0) }
    let whole = layer.forEachKVHead { kvHead in
      var worth = [Float](repeating: 0, count: count)
      for attention in attention[layer.shape.queryHeads(of: kvHead)] {
        GroupAggregation.maximum.add(attention, to: &worth)
      }
      for (slot, distance) in layer.valueDistancesFromMean(ofKVHead: kvHead).enumerated() {
        worth[slot] *= Float(distance)
      }
      return Self.best(plan.whole, by: worth, plan.forcedWhole)
    }
    if plan.kept < count {
      let forced = plan.forced.first + plan.forced.newest
      let others = plan.forced.first..<count - plan.forced.newest
      let claims = layer.forEachKVHead { kvHead in
        self.claims(
          layer, kvHead: kvHead, attention[layer.shape.queryHeads(of: kvHead)], whole[kvHead],
          of: others, places: plan.kept - forced)
      }
      let shares = HeadShares(
        allocation: .mixed, floorFraction: floorFraction, tiesGoByScore: true
      )
      .counts(of: plan.kept - forced, besideForced: forced, claims.map { $0[others] })
      kept.selections = zip(shares, claims).map { Self.best($0 + forced, by: $1, plan.forced) }
    }
    state.whole = whole
    state.settled = settled(ofPrompt: count, plan)
    state.hasJudged = true
  }

  /// What says who stays in a KV head, by token: attention times oddness, and no limit for those that are `whole` and for the
  /// oddest, a share of the `places` that these leave of the `others`.
  private func claims(
    _ layer: LayerView, kvHead: Int, _ attention: ArraySlice<[Float]>, _ whole: Selection,
    of others: Range<Int>, places: Int
  ) -> [Float] {
    let oddness = layer.keyOddness(ofKVHead: kvHead, side: neighbourhood).map { Float($0) }
    let pooling = ScorePooling(.average, kernel: kernel)
    var scores = [Float](repeating: 0, count: oddness.count)
    for attention in attention {
      let product = zip(attention, oddness).map { $0 * $1 }
      GroupAggregation.maximum.add(pooling.pooled(product[...]), to: &scores)
    }
    for run in whole.runs { for token in run { scores[token] = .infinity } }
    let pooled = pooling.pooled(oddness[...])
    var oddest = others.filter { scores[$0] < .infinity }
      .map { ScoreRank(score: pooled[$0], index: $0) }
    let count = Share.count(odd, of: max(0, places - (others.count - oddest.count)))
    oddest.moveLargestToFront(count)
    for rank in oddest.prefix(count) { scores[rank.index] = .infinity }
    return scores
  }

  /// The forced tokens of a prompt and its best others, so many in all.
  private static func best(
    _ tokens: Int, by scores: [Float], _ forced: ForcedTokens
  ) -> Selection {
    var selection = TCAPlusImportance.core(
      tokens - forced.first - forced.newest, of: scores, sinks: forced.first,
      end: scores.count - forced.newest)
    selection.window = LocalWindow(width: forced.newest - 1)
    return selection
  }

  public func selectWhole(
    _ layer: LayerView, into whole: inout HeadSelections, state: inout State
  ) {
    // In a composition another part may have been the one to retain.
    guard !state.whole.isEmpty else { return }
    whole.selections = state.whole
    state.whole = []
  }
}
