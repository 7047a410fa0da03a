import Kernels
import Synchronization
import Tensors

/// tca-plus: like TCA each head keeps its core tokens, but no token has to be lost.
///
/// Our own, after TCA-Attention (You et al. 2025, arXiv 2512.09238) and what its weaknesses are (`docs/findings.md`).
/// What differs from `tca`:
///
/// - **One selection per KV head**, which is what memory pays for. Importance is the attention that queries *spread over
///   the prompt* pay to a key outside of their own windows, summed over them and over the group's query heads; the most
///   important keys of the whole region stay, wherever they lie, and the first `sinks`. Calibration picks for each KV
///   head the smallest share with which nine (query head, query) pairs in ten keep `threshold` of their attention.
/// - **The last `denseQueries` prompt queries attend to everything**: what follows the prompt stands on them.
/// - **Two tiers.** After the prompt the keys that its last queries attend to most are held exactly, with the sinks and the
///   window; all others move to a cold tier of pages of 32 tokens in 4 or 8 bits (`ColdTier`). Generated tokens are held
///   exactly while they are in the window and leave it page by page. With `coldTier` none they are freed, and of a
///   generated page the same share stays as of the prompt.
/// - **Decode queries choose anew**: each group of query heads attends to all exact tokens and to the `decodeDensity` of
///   the cold pages that promise most: by the group's attention to their keys as they are read back, or, for less work
///   and worse choices, by the softmax over pages of the bounds that the ranges of their key channels give (as Quest's).
///
/// Without a `budget` a head's calibrated share is held exactly. A budget of tokens means the bytes of so many float32
/// tokens for the prompt: what the cold tier leaves is spent on exact tokens, shared among all heads in proportion to
/// their calibrated shares. Where it is too small for that the window gives way, and then the least important tokens
/// leave; windows and sinks take at most half of it. A budget of at least all tokens changes nothing at all.
public struct TCAPlus: AttentionStrategy {
  /// What is remembered of one layer.
  public struct State: Sendable {
    /// Positions from here on have not been shared out among the tiers.
    var settled = 0
    /// The share of a head's evictable prompt that is exact, by KV head; empty before anything was shared out.
    var exactShare: [Double] = []
    /// What is to be held exactly, by KV head, between the two halves of a retention; else empty.
    var exact: [Selection] = []
  }

  private static let page = ColdTier.pageTokens

  public let configuration: Configuration
  private let shape: AttentionShape
  private let shares: [Double?]
  private let plan: TierPlan
  /// Exact tokens whose bytes a KV head may have for a prompt, on average.
  private let budget: Int?

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    try Self.checkSizes(configuration)
    shares = try Self.shares(configuration, shape)
    if configuration.budget != nil {
      budget = try RetentionBudget(
        configuration.budget, retainedFraction: 1, of: Self.description.name
      ).tokens(ofPrompt: 1)
    } else {
      budget = nil
    }
    plan = TierPlan(
      format: configuration.coldTier.format, headDimension: shape.headDimension)
    self.configuration = configuration
    self.shape = shape
  }

  public func makeState(layer: Int) -> State { State() }

  /// Cold keys are read back rounded.
  public var logitsAreDense: Bool { configuration.coldTier == .none }

  private var window: LocalWindow {
    LocalWindow(width: configuration.localWindow, alignment: Self.page)
  }

  private func share(layer: Int, kvHead: Int) -> Double? {
    shares[layer * shape.kvHeads + kvHead]
  }

  /// Whether a budget holds that many tokens exactly.
  private func isCovered(_ tokens: Int) -> Bool { budget.map { $0 >= tokens } ?? false }

  /// One value for each KV head of a layer, heads in parallel.
  private func forEachHead<Value: Sendable>(
    _ workspace: Workspace, _ initial: Value, _ value: (_ kvHead: Int) -> Value
  ) -> [Value] {
    let values = Mutex([Value](repeating: initial, count: shape.kvHeads))
    workspace.workers.run(count: shape.kvHeads) { head, _ in
      let found = value(head)
      values.withLock { $0[head] = found }
    }
    return values.withLock { $0 }
  }

  // MARK: Prefill

  public var prefillGranularity: PrefillGranularity {
    configuration.prefill ? .lastQueriesApart(configuration.denseQueries) : .wholePrompt
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    guard configuration.prefill, !isCovered(layer.queries.rows) else { return }
    if configuration.denseQueries > 0, queries.upperBound == layer.queries.rows { return }
    let end = window.start(forQuery: layer.newestQuery)
    guard end > 0 else { return }
    let core = forEachHead(workspace, Selection.everything) { kvHead in
      guard let share = share(layer: layer.layer, kvHead: kvHead) else { return .everything }
      let heads = shape.queryHeads(of: kvHead)
      let importance =
        switch configuration.importance {
        case .sampled:
          TCAPlusImportance.sampled(
            layer, heads: heads, queries: configuration.importanceQueries, window: window)
        case .last:
          TCAPlusImportance.last(
            layer, heads: heads, queries: configuration.importanceQueries)
        }
      var selection = TCAPlusImportance.core(
        TCAPlusImportance.tokens(share, of: end), of: importance, sinks: configuration.sinks,
        end: end)
      selection.window = window
      return selection
    }
    for head in 0..<selections.count { selections[head] = core[shape.kvHead(of: head)] }
  }

  // MARK: Retention

  public var coldFormat: ColdFormat? { configuration.coldTier.format }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    guard !isCovered(position) else { return false }
    switch phase {
    case .prefill: return budget != nil || window.start(forQuery: position - 1) > 0
    case .decode:
      return position % Self.page == 0 && window.start(forQuery: position) > 0
    }
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    switch layer.phase {
    case .prefill: keepPrompt(layer, &kept, &state, workspace: workspace)
    case .decode: settle(layer, &kept, &state, workspace: workspace)
    }
  }

  public func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    exact.selections = state.exact
    state.exact = []
  }

  /// Sinks and tokens of the window that stay of a prompt: at most half of a budget, the newest token in any case. The
  /// window gives way, down to a page, where that saves a token outside of it from leaving.
  private func forced(ofPrompt tokens: Int) -> (sinks: Int, window: Int) {
    let end = window.start(forQuery: tokens - 1)
    guard let budget else { return (min(configuration.sinks, end), tokens - end) }
    let most = max(1, budget / 2)
    let recent = min(tokens - end, max(1, most - configuration.sinks))
    let sinks = min(configuration.sinks, tokens - recent, most - recent)
    let tokenBytes = 2 * shape.headDimension * MemoryLayout<Float>.size
    let enough = stride(from: recent, through: min(recent, Self.page), by: -1).first {
      plan.leastBytes(holding: tokens - $0 - sinks) <= (budget - sinks - $0) * tokenBytes
    }
    return (sinks, enough ?? recent)
  }

  private func keepPrompt(
    _ layer: LayerView, _ kept: inout HeadSelections, _ state: inout State,
    workspace: Workspace
  ) {
    let tokens = layer.queries.rows
    let (sinks, recent) = forced(ofPrompt: tokens)
    let end = tokens - recent
    let tiers = tierShares(layer: layer.layer, evictable: end - sinks, forced: sinks + recent)
    let window = LocalWindow(width: recent - 1)
    let found = forEachHead(workspace, (kept: Selection.everything, exact: Selection.everything)) {
      kvHead in
      guard let tier = tiers[kvHead] else { return (.everything, .everything) }
      let importance = TCAPlusImportance.last(
        layer, heads: shape.queryHeads(of: kvHead), queries: configuration.importanceQueries)
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
    if configuration.coldTier != .none { state.exact = found.map(\.exact) }
    state.exactShare = tiers.map { tier in
      tier.map { Double($0.exact) / Double(max(1, end - sinks)) } ?? 1
    }
    state.settled = end
  }

  /// What each KV head of a layer holds of its evictable tokens; nil for a head that keeps everything.
  private func tierShares(layer: Int, evictable: Int, forced: Int) -> [TierShare?] {
    guard let budget else {
      return (0..<shape.kvHeads).map { head in
        share(layer: layer, kvHead: head).map {
          plan.share(
            exactly: TCAPlusImportance.tokens($0, of: evictable), of: evictable)
        }
      }
    }
    let tokenBytes = 2 * shape.headDimension * MemoryLayout<Float>.size
    let bytes = plan.bytes(
      mean: (budget - forced) * tokenBytes, weights: shares.map { $0 ?? 1 }, count: evictable)
    return (0..<shape.kvHeads).map { head in
      plan.share(bytes: bytes[layer * shape.kvHeads + head], of: evictable)
    }
  }

  /// Before the next query: tokens that have left the window go to the cold tier in whole pages, or, without one, are
  /// thinned.
  private func settle(
    _ layer: LayerView, _ kept: inout HeadSelections, _ state: inout State,
    workspace: Workspace
  ) {
    let next = layer.newestQuery + 1
    if state.exactShare.isEmpty {
      state.settled = min(configuration.sinks, next)
      state.exactShare = (0..<shape.kvHeads).map {
        share(layer: layer.layer, kvHead: $0) ?? 1
      }
    }
    var end = window.start(forQuery: next)
    if configuration.coldTier != .none {
      end = state.settled + max(0, end - state.settled) / Self.page * Self.page
    }
    let first = state.settled
    let shares = state.exactShare
    let thinned = forEachHead(workspace, Selection.everything) { kvHead in
      if share(layer: layer.layer, kvHead: kvHead) == nil, budget == nil { return .everything }
      let cache = layer.heads[kvHead]
      var selection = exactRuns(cache, before: first)
      if configuration.coldTier == .none, first < end {
        let heads = shape.queryHeads(of: kvHead)
        var mass = [Float](repeating: 0, count: cache.count)
        for head in heads {
          var row = mass
          AttentionWeights.softmax(
            query: layer.query(head: head, at: layer.newestQuery), keys: cache.keys,
            visible: cache.count, into: &row)
          for index in mass.indices { mass[index] += row[index] }
        }
        let slots = cache.slot(atOrAfter: first)..<cache.slot(atOrAfter: end)
        var ranking = KeyRanking()
        var stays: [Int] = []
        ranking.forMostImportant(
          TCAPlusImportance.tokens(shares[kvHead], of: slots.count), of: mass.span, in: slots
        ) { stays.append(cache.position(ofSlot: $0)) }
        for position in stays.sorted() { selection.keep(position) }
      }
      selection.window = LocalWindow(width: max(0, layer.newestQuery - max(first, end)))
      return selection
    }
    state.settled = max(first, end)
    if configuration.coldTier == .none {
      for head in 0..<kept.count { kept[head] = thinned[head] }
    } else {
      state.exact = thinned
    }
  }

  /// The exactly held tokens before a position, as runs.
  private func exactRuns(_ cache: KVHead, before end: Int) -> Selection {
    var selection = Selection()
    for slot in 0..<cache.slot(atOrAfter: end) { selection.keep(cache.position(ofSlot: slot)) }
    return selection
  }

  // MARK: Decode

  /// Whether each query has its own selection.
  private var choosesAnew: Bool {
    configuration.coldTier != .none && configuration.decodeDensity < 1
  }

  public func queriesDecodedTogether(from position: Int) -> Int {
    choosesAnew ? 1 : Self.page - position % Self.page
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    guard choosesAnew, layer.heads.contains(where: { $0.cold != nil }) else { return }
    let firstRecent = state.settled
    let chosen = forEachHead(workspace, Selection.everything) { kvHead in
      guard let tier = layer.heads[kvHead].cold else { return .everything }
      let pages = Int((configuration.decodeDensity * Double(tier.pageCount)).rounded(.up))
      guard pages < tier.pageCount else { return .everything }
      var selection = exactRuns(layer.heads[kvHead], before: firstRecent)
      selection.window = LocalWindow(width: max(0, layer.newestQuery - firstRecent))
      var reads = Selection()
      let promise = promise(layer, kvHead: kvHead, tier)
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
    for head in 0..<selections.count { selections[head] = chosen[shape.kvHead(of: head)] }
  }

  /// What each page of a tier promises to the newest query of a group.
  private func promise(_ layer: LayerView, kvHead: Int, _ tier: ColdTier) -> [Float] {
    let d = shape.headDimension
    let heads = shape.queryHeads(of: kvHead)
    let queries = layer.queries.row(layer.queries.rows - 1)
      .extracting(heads.lowerBound * d..<heads.upperBound * d)
    switch configuration.pageRanking {
    case .mass: return ColdScores.masses(queries, of: tier)
    case .bound: return ColdScores.boundShares(queries, of: tier)
    }
  }
}
