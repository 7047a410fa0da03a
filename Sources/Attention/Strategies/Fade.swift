import Records
import Tensors

/// Our own: after the prompt the tokens that matter keep all their bits, most others the highest ones alone, and as few as
/// possible leave.
///
/// In a cache of the format `nested` a token can give up the lower 4 bits of its key's numbers and the lower 6 of its value's:
/// 3 bits a number are left, two fifths of its bytes. The first `sinks` and the prompt's last `observationWindow` tokens keep all
/// bits, and of its others the share `whole`: those that its last `observationWindow` queries attend to most, by `aggregation`
/// over a group's heads. Generated tokens, and those last ones, give up theirs once `localWindow` newer ones have come, 32 at a
/// time.
///
/// Without a budget every token stays. A budget of tokens means the bytes of so many tokens with all bits. Of what sinks and
/// last tokens leave of it (they take half of it at most) the share `whole` goes to tokens with all bits, the rest to others; where
/// these are all tokens, what is left over buys bits for more of them. Else those leave whose attention is lowest, pooled over
/// `kernel` neighbours: pooling helps in saying which tokens are never needed, and hurts in saying which matter most
/// (docs/findings.md). A budget of at least all tokens of the prompt changes nothing, of what follows it neither.
///
/// Decode queries read as ``Skim``'s do: queries in 8 bits, tokens with a larger share of a head's attention than `exactAbove`
/// by all bits that they have, others by the highest.
public struct Fade: Skims, Coarsens, Budgeted {
  public static let about = StrategyFacts(
    "fade",
    "Our own: few tokens keep all their bits after the prompt, the others 3 bits a number; needs the cache nested.",
    .own, source: "docs/findings.md", budgets: Retention.budgetForms, budgetPhases: [.retention])

  @Parameter(
    "share of the tokens, sinks and window apart, that keep all their bits; under a budget the least share of its bytes",
    0...1)
  public var whole = 1.0 / 16
  @Parameter("first tokens that keep all their bits", 0...) public var sinks = 4
  @Parameter(
    "generated tokens, and the last ones of a prompt, keep all their bits until so many newer ones have come",
    1...)
  public var localWindow = 128
  public var window = ObservedWindow(kernel: 7, aggregation: .maximum)
  @Parameter(
    "a token that has all its bits is read by them if it has a larger share of a query head's attention",
    0...1)
  public var exactAbove = 1.0 / 4096
  public var budget: Budget?

  public init() {}

  private enum CodingKeys: CodingKey { case whole, sinks, localWindow, exactAbove }

  public init(from decoder: any Decoder) throws {
    window = try ObservedWindow(from: decoder)
    let members = try decoder.container(keyedBy: CodingKeys.self)
    whole = try members.decode(Double.self, forKey: .whole)
    sinks = try members.decode(Int.self, forKey: .sinks)
    localWindow = try members.decode(Int.self, forKey: .localWindow)
    exactAbove = try members.decode(Double.self, forKey: .exactAbove)
  }

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
      || (budget == nil || state.hasJudged) && position - localWindow > state.settled
  }

  private func plan(_ tokens: Int, headDimension: Int) -> FadePlan {
    FadePlan(
      tokens: tokens, budget: budgetTokens, whole: whole,
      forced: ForcedTokens(first: sinks, newest: window.observationWindow),
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
      whole -= max(0, cut - localWindow - settled(ofPrompt: promptTokens, plan))
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
    let newest = layer.newestQuery
    guard layer.phase == .prefill else {
      let end = max(state.settled, newest + 1 - localWindow)
      var whole = Selection(window: LocalWindow(width: newest - end))
      whole.keep(0..<state.settled)
      state.settled = end
      state.whole = Array(repeating: whole, count: kept.count)
      return
    }
    let count = newest + 1
    let plan = plan(count, headDimension: layer.shape.headDimension)
    let tiers = layer.forEachKVHead { kvHead in
      func best(_ tokens: Int, by scores: [Float], _ forced: ForcedTokens) -> Selection {
        var selection = TCAPlusImportance.core(
          tokens - forced.first - forced.newest, of: scores, sinks: forced.first,
          end: count - forced.newest)
        selection.window = LocalWindow(width: forced.newest - 1)
        return selection
      }
      let attention = window.attention(layer, kvHead: kvHead)
      var unpooled = window
      unpooled.kernel = 1
      let whole = best(
        plan.whole, by: unpooled.scores(attention, of: count), plan.forcedWhole)
      guard plan.kept < count else { return (kept: Selection.everything, whole: whole) }
      var pooled = window.scores(attention, of: count)
      for run in whole.runs { for token in run { pooled[token] = .infinity } }
      return (best(plan.kept, by: pooled, plan.forced), whole)
    }
    kept.selections = tiers.map(\.kept)
    state.whole = tiers.map(\.whole)
    state.settled = settled(ofPrompt: count, plan)
    state.hasJudged = true
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
