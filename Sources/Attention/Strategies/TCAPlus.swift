import Records
import Tensors

/// tca-plus: like TCA each head keeps its core tokens, but no token has to be lost.
///
/// Our own, after TCA-Attention (You et al. 2025, arXiv 2512.09238) and its weaknesses
/// (`docs/findings.md`). What differs from `tca`:
///
/// - **One selection per KV head**, which is what memory pays for. Importance is the attention that
///   queries *spread over the prompt* pay to a key outside of their own windows, summed over them
///   and over the group's query heads; the most important keys of the whole region stay, wherever
///   they lie, and the first `sinks`. Calibration picks for each KV head the smallest share with
///   which nine (query head, query) pairs in ten keep `threshold` of their attention.
/// - **The last `denseQueries` prompt queries attend to everything**: what follows the prompt
///   depends on them.
/// - **Two tiers.** After the prompt the keys that its last queries attend to most are held
///   exactly, with the sinks and the window; all others move to a cold tier of pages of 32 tokens
///   in 4 or 8 bits (`ColdTier`). Generated tokens are held exactly while they are in the window
///   and leave it page by page. With `coldTier` none they are freed, and of a generated page the
///   same share stays as of the prompt.
/// - **Decode queries choose anew**: each group of query heads attends to all exact tokens and to
///   the `decodeDensity` of the cold pages that matter most: by the group's attention to their
///   dequantised keys, or, for less work and worse choices, by the softmax over pages of the bounds
///   given by the ranges of their key channels (as in Quest).
///
/// Without a `budget` a head's calibrated share is held exactly. A budget of tokens means the bytes
/// of so many exact tokens, in the cache's own format, for the prompt: what the cold tier leaves is
/// spent on exact tokens, shared among all heads in proportion to their calibrated shares. Where it
/// is too small for that the window gives way, and then the least important tokens leave; windows
/// and sinks take at most half of it. A budget of at least all tokens of the prompt changes nothing,
/// of what follows it neither.
public struct TCAPlus: SelectsInPrefill, SelectsInDecode, HasColdTier, RemembersOtherPhases,
  Budgeted
{
  public static let about = StrategyFacts(
    "tca-plus",
    "Each KV head keeps its core tokens exactly and the others in few bits, from which decode queries fetch pages.",
    .own, source: "this repository, docs/findings.md; after You et al. 2025, arXiv 2512.09238",
    budgets: Retention.budgetForms, budgetPhases: [.retention])

  @Parameter("attention mass that nine queries in ten must keep in calibration", 0...1)
  public var threshold = 0.95
  @Parameter("most recent tokens always kept, besides those of a page that is not full", 0...)
  public var localWindow = 128
  @Parameter("first tokens always kept", 0...) public var sinks = 4
  @Parameter("which queries the prompt's selection goes by: spread over it, or its last")
  public var importance = Importance.sampled
  @Parameter(
    "how many; those of the prompt's end decide what is kept exactly after it", 1...)
  public var importanceQueries = 64
  @Parameter("whether KV heads keep as many tokens as calibration says or all the same share")
  public var headBudgets = HeadBudgets.calibrated
  @Parameter("last prompt queries that attend to everything", 0...) public var denseQueries = 64
  @Parameter("bits of the tokens that are not kept exactly; with none they are freed")
  public var coldTier = Tier.q4
  @Parameter("share of the cold pages that a decode query reads", 0...1)
  public var decodeDensity = 0.25
  @Parameter("what a decode query chooses cold pages by: attention to their keys, or bounds of it")
  public var pageRanking = PageRanking.mass
  @Parameter("a shipped corpus by name, or a text file") public var calibrationCorpus = "emma"
  @Parameter(
    "tokens of the calibration pass; by default max(2048, 2 (localWindow + 32)), at most the model's context",
    2...)
  public var calibrationLength: Int? = nil
  @Parameter(
    "a share of tokens for each query head, by index, layer after layer (-1 keeps everything), instead of calibrating; a KV head takes the largest of its query heads'",
    -1...11)
  public var heads: [Int]? = nil
  @Parameter("prompt queries attend to the selection") public var prefill = true
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try Retention.check(budget, of: Self.about.name)
    try HeadValues.ofQueryHeads("share", shape).check(heads, "heads", layers: shape.layers)
  }

  /// What is remembered about one layer.
  public struct State: StrategyState {
    /// The shares of the KV heads of all layers, nil for those that keep everything, and where this
    /// layer's begin.
    let shares: [Double?]
    let firstHead: Int
    /// Positions from here on have not been assigned to a tier yet.
    var settled = 0
    /// Whether a prompt has been assigned.
    var hasJudged = false
    /// The share of a head's evictable prompt that is exact, by KV head; empty before anything was
    /// assigned.
    var exactShare: [Double] = []
    /// What is to be held exactly, by KV head, between the two halves of a retention; else empty.
    var exact: [Selection] = []

    public var cacheBytes: Int { exact.heldBytes }

    func share(_ kvHead: Int) -> Double? { shares[firstHead + kvHead] }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    State(shares: shares(shape), firstHead: layer * shape.kvHeads)
  }

  private static let page = ColdTier.pageTokens

  private var window: LocalWindow { LocalWindow(width: localWindow, alignment: Self.page) }

  /// Exact tokens whose bytes a KV head may have for a prompt, on average.
  private var budgetTokens: Int? {
    if case .tokens(let tokens) = budget { max(1, tokens) } else { nil }
  }

  /// Whether a budget holds that many tokens exactly.
  private func isCovered(_ tokens: Int) -> Bool { budgetTokens.map { $0 >= tokens } ?? false }

  /// What a prompt's selection and its calibration are based on: the attention of a group's queries
  /// to each key.
  public func promptImportance(_ layer: LayerView, kvHead: Int) -> [Float] {
    let heads = layer.shape.queryHeads(of: kvHead)
    switch importance {
    case .sampled:
      return TCAPlusImportance.sampled(
        layer, heads: heads, queries: importanceQueries, window: window)
    case .last: return TCAPlusImportance.last(layer, heads: heads, queries: importanceQueries)
    }
  }

  // MARK: Prefill

  public var prefillGranularity: PrefillGranularity {
    prefill ? .lastQueriesApart(denseQueries) : .wholePrompt
  }

  public var selectionLooksAhead: Bool { prefill }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State
  ) {
    guard prefill, !isCovered(layer.queryCount) else { return }
    if denseQueries > 0, queries.upperBound == layer.queryCount { return }
    let end = window.start(forQuery: layer.newestQuery)
    guard end > 0 else { return }
    let core = layer.forEachKVHead { kvHead -> Selection in
      guard let share = state.share(kvHead) else { return .everything }
      let importance = promptImportance(layer, kvHead: kvHead)
      var selection = TCAPlusImportance.core(
        TCAPlusImportance.tokens(share, of: end), of: importance, sinks: sinks,
        end: end)
      selection.window = window
      return selection
    }
    for head in 0..<selections.count { selections[head] = core[layer.shape.kvHead(of: head)] }
  }

  // MARK: Retention

  public var coldFormat: ColdFormat? { coldTier.format }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    switch phase {
    case .prefill:
      budget == nil ? window.start(forQuery: position - 1) > 0 : !isCovered(position)
    case .decode: position % Self.page == 0 && window.start(forQuery: position) > 0
    }
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase, state: State) -> Bool {
    guard retentionIsDue(before: position, phase: phase) else { return false }
    // A budget that covers the prompt covers what follows.
    return phase == .prefill || budget == nil || state.hasJudged
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    switch layer.phase {
    case .prefill: keepPrompt(layer, &kept, &state)
    case .decode: settle(layer, &kept, &state)
    }
  }

  public func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State
  ) {
    exact.selections = state.exact
    state.exact = []
  }

  /// Sinks and tokens of the window that stay of a prompt: at most half of a budget, the newest
  /// token in any case. The window gives way, down to a page, where that saves a token outside of
  /// it from leaving.
  private func forced(
    ofPrompt tokens: Int, _ plan: TierPlan
  ) -> (sinks: Int, window: Int) {
    let end = window.start(forQuery: tokens - 1)
    guard let budget = budgetTokens else { return (min(sinks, end), tokens - end) }
    let most = max(1, budget / 2)
    let recent = min(tokens - end, max(1, most - sinks))
    let sinks = min(sinks, tokens - recent, most - recent)
    let enough = stride(from: recent, through: min(recent, Self.page), by: -1).first {
      plan.leastBytes(holding: tokens - $0 - sinks) <= (budget - sinks - $0) * plan.exactBytes
    }
    return (sinks, enough ?? recent)
  }

  private func keepPrompt(
    _ layer: LayerView, _ kept: inout HeadSelections, _ state: inout State
  ) {
    let tokens = layer.queryCount
    let plan = TierPlan(
      format: coldFormat, headDimension: layer.shape.headDimension, cache: layer.cacheFormat)
    let (sinks, recent) = forced(ofPrompt: tokens, plan)
    let end = tokens - recent
    let tiers = tierShares(
      state, plan, kvHeads: layer.shape.kvHeads, evictable: end - sinks, forced: sinks + recent)
    let window = LocalWindow(width: recent - 1)
    let found = layer.forEachKVHead { kvHead -> (kept: Selection, exact: Selection) in
      guard let tier = tiers[kvHead] else { return (.everything, .everything) }
      let importance = TCAPlusImportance.last(
        layer, heads: layer.shape.queryHeads(of: kvHead), queries: importanceQueries)
      var exact = TCAPlusImportance.core(
        tier.exact, of: importance, sinks: sinks, end: end)
      exact.window = window
      guard tier.cold > 0 else { return (exact, exact) }
      var kept = TCAPlusImportance.core(
        tier.exact + tier.cold, of: importance, sinks: sinks, end: end)
      kept.window = window
      return (kept, exact)
    }
    for head in 0..<kept.count { kept[head] = found[head].kept }
    if coldTier != .none { state.exact = found.map(\.exact) }
    state.exactShare = tiers.map { tier in
      tier.map { Double($0.exact) / Double(max(1, end - sinks)) } ?? 1
    }
    state.settled = end
    state.hasJudged = true
  }

  /// What each KV head of a layer holds of its evictable tokens; nil for a head that keeps
  /// everything.
  private func tierShares(
    _ state: State, _ plan: TierPlan, kvHeads: Int, evictable: Int, forced: Int
  ) -> [TierShare?] {
    guard let budget = budgetTokens else {
      return (0..<kvHeads).map { head in
        state.share(head).map {
          plan.share(exactly: TCAPlusImportance.tokens($0, of: evictable), of: evictable)
        }
      }
    }
    let bytes = plan.bytes(
      mean: (budget - forced) * plan.exactBytes, weights: state.shares.map { $0 ?? 1 },
      count: evictable)
    return (0..<kvHeads).map { plan.share(bytes: bytes[state.firstHead + $0], of: evictable) }
  }

  /// Before the next query: tokens that have left the window go to the cold tier in whole pages,
  /// or, without one, are thinned. The newest is never among them, since no cache drops it.
  private func settle(
    _ layer: LayerView, _ kept: inout HeadSelections, _ state: inout State
  ) {
    let next = layer.newestQuery + 1
    if state.exactShare.isEmpty {
      state.settled = min(sinks, next)
      state.exactShare = (0..<layer.shape.kvHeads).map {
        state.share($0) ?? 1
      }
    }
    var end = min(window.start(forQuery: next), layer.newestQuery)
    if coldTier != .none {
      end = state.settled + max(0, end - state.settled) / Self.page * Self.page
    }
    let first = state.settled
    let before = state
    let thinned = layer.forEachKVHead { kvHead -> Selection in
      if before.share(kvHead) == nil, budget == nil { return .everything }
      let cache = layer.heads[kvHead]
      var selection = exactRuns(cache, before: first)
      if coldTier == .none, first < end {
        var mass = [Float](repeating: 0, count: cache.count)
        for head in layer.shape.queryHeads(of: kvHead) {
          let row = layer.softmaxRow(ofHead: head)
          for index in mass.indices { mass[index] += row[index] }
        }
        let slots = cache.slot(atOrAfter: first)..<cache.slot(atOrAfter: end)
        var ranking = KeyRanking()
        var stays: [Int] = []
        ranking.forMostImportant(
          TCAPlusImportance.tokens(before.exactShare[kvHead], of: slots.count), of: mass.span,
          in: slots
        ) { stays.append(cache.position(ofSlot: $0)) }
        for position in stays.sorted() { selection.keep(position) }
      }
      selection.window = LocalWindow(width: max(0, layer.newestQuery - max(first, end)))
      return selection
    }
    state.settled = max(first, end)
    if coldTier == .none {
      for head in 0..<kept.count { kept[head] = thinned[head] }
    } else {
      state.exact = thinned
    }
  }

  /// The exactly held tokens before a position, as runs.
  private func exactRuns(_ cache: HeadCache, before end: Int) -> Selection {
    Selection(slots: 0..<cache.slot(atOrAfter: end), of: cache)
  }

  // MARK: Decode

  /// Whether each query has its own selection.
  private var choosesAnew: Bool {
    coldTier != .none && decodeDensity < 1
  }

  /// Exact tokens are all attended to.
  public var coldTokens: ColdTokens { .chosen }

  public func queriesDecodedTogether(from position: Int) -> Int {
    choosesAnew ? 1 : Self.page - position % Self.page
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    guard choosesAnew, layer.heads.contains(where: { $0.cold != nil }) else { return }
    let firstRecent = state.settled
    let chosen = layer.forEachKVHead { kvHead -> Selection in
      guard let tier = layer.heads[kvHead].cold else { return .everything }
      let pages = Share.countRoundedUp(decodeDensity, of: tier.pageCount)
      guard pages < tier.pageCount else { return .everything }
      var selection = exactRuns(layer.heads[kvHead], before: firstRecent)
      selection.window = LocalWindow(width: max(0, layer.newestQuery - firstRecent))
      var reads = Selection()
      let promise =
        switch pageRanking {
        case .mass: layer.coldMasses(ofKVHead: kvHead)
        case .bound: layer.coldBoundShares(ofKVHead: kvHead)
        }
      var ranks = promise.enumerated().map { ScoreRank(score: $1, index: $0) }
      ranks.moveLargestToFront(pages)
      for page in ranks.prefix(pages).map(\.index).sorted() {
        // No token of another page lies between the first and the last of a page.
        let first = tier.positions[page * Self.page]
        let last = tier.positions[(page + 1) * Self.page - 1]
        reads.keep(Int(first)..<Int(last) + 1)
      }
      selection.formUnion(runsOf: reads)
      return selection
    }
    for head in 0..<selections.count { selections[head] = chosen[layer.shape.kvHead(of: head)] }
  }
}
