import Synchronization
import Tensors

/// TCA-Attention: each head keeps the core tokens of every block, as many as its calibrated configuration allows.
///
/// You et al. 2025, arXiv 2512.09238v1. The paper's symbols: τ `threshold`, b `blockSize`, w `localWindow`, α `balance`,
/// p_k `TCACandidate.shares`, Ψ `TCACandidate.budgets`, h_j `TCASelector.blockScores`, G the runs of a selection.
///
/// Offline, `TCACalibrator` picks each query head's candidate. Online, the last prompt query's attention gives each key
/// its importance; blocks are ranked by mass and redundancy and share out the head's budgets; each keeps its most
/// important tokens. Query i attends to G and to its local window, keys from E(i) on. After the prompt a KV head keeps
/// what its query heads chose and the local window; in decode each block that leaves the window is thinned the same way.
///
/// Where the paper is silent: a local window of whole blocks, `localWindow + 1` to `localWindow + blockSize` keys; importance
/// over all keys, not re-normalised in a block; budgets by largest remainder; ties to the lower position; the default
/// criterion is `meanMass` (the paper's is `columnMean`, which bounds nothing that a query loses); in decode a block is
/// thinned once, with the query before the first that no longer has it in its window, and with `aggregate` its
/// importance is the mean of the group's softmax rows over the keys held. Beyond the paper, all off by default: `sinks`,
/// `importanceQueries`, `groupMerge` aggregate, `groupAttends` union.
///
/// A cache never lets go of its newest token: with `localWindow` 0 one that was not chosen waits for the next block.
public struct TCA: AttentionStrategy {
  /// What the strategy remembers of one layer.
  public struct State: Sendable {
    /// G and the window by query head, G grown by the blocks that left the window in decode; empty before anything
    /// was chosen.
    var chosen: [Selection] = []
    /// Their union by KV head.
    var held: [Selection] = []
  }

  public let configuration: Configuration
  private let selector: TCASelector
  private let candidates: [TCACandidate]
  private let shape: AttentionShape

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    try Self.checkSizes(configuration)
    try Self.checkHeads(configuration, shape)
    self.configuration = configuration
    self.shape = shape
    selector = configuration.selector
    candidates = TCACandidate.all(blockSize: configuration.blockSize)
  }

  public func makeState(layer: Int) -> State { State() }

  private func candidate(layer: Int, head: Int) -> TCACandidate? {
    guard let heads = configuration.heads else { return nil }
    let index = heads[layer * shape.queryHeads + head]
    return index < 0 ? nil : candidates[index]
  }

  private var window: LocalWindow {
    LocalWindow(width: configuration.localWindow, alignment: configuration.blockSize)
  }

  /// Whether what leaves the window in decode is thinned.
  private var thinsInDecode: Bool { configuration.decode || configuration.retention }

  // MARK: Prefill

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    guard configuration.prefill || thinsInDecode else { return }
    let end = selector.evictableEnd(forQuery: layer.newestQuery)
    state.chosen =
      end == 0
      ? windowsOnly(layer)
      : choose(layer, workspace: workspace) { heads, candidate in
        let importance = TCAImportance.afterPrompt(
          layer, heads: heads, queryCount: configuration.importanceQueries)
        return selector.select(importance.prefix(end), candidate: candidate)
      }
    updateHeld(&state)
    if configuration.prefill { attend(into: &selections, state) }
  }

  /// One selection per query head, heads in parallel; with groupMerge aggregate one per group.
  private func choose(
    _ layer: LayerView, workspace: Workspace,
    _ select: (_ heads: Range<Int>, _ candidate: TCACandidate) -> Selection
  ) -> [Selection] {
    let chosen = Mutex(windowsOnly(layer))
    let isShared = configuration.groupMerge == .aggregate
    workspace.workers.run(count: isShared ? shape.kvHeads : shape.queryHeads) { item, _ in
      let heads = isShared ? shape.queryHeads(of: item) : item..<item + 1
      guard let candidate = candidate(layer: layer.layer, head: heads.lowerBound) else { return }
      let selection = select(heads, candidate)
      chosen.withLock { chosen in
        for head in heads { chosen[head].formUnion(runsOf: selection) }
      }
    }
    return chosen.withLock { $0 }
  }

  /// What is attended to where nothing is evictable yet: the window, or everything by a head without a candidate.
  private func windowsOnly(_ layer: LayerView) -> [Selection] {
    (0..<shape.queryHeads).map { head in
      candidate(layer: layer.layer, head: head) == nil ? .everything : Selection(window: window)
    }
  }

  private func updateHeld(_ state: inout State) {
    state.held = (0..<shape.kvHeads).map { kvHead in
      let members = state.chosen[shape.queryHeads(of: kvHead)]
      if members.contains(where: \.isEverything) { return .everything }
      var union = members[members.startIndex]
      for member in members.dropFirst() where member != union { union.formUnion(runsOf: member) }
      return union
    }
  }

  private func attend(into selections: inout HeadSelections, _ state: State) {
    for head in 0..<selections.count {
      selections[head] =
        configuration.groupAttends == .own
        ? state.chosen[head] : state.held[shape.kvHead(of: head)]
    }
  }

  // MARK: Decode

  /// All queries of a block share E(i), and with it one selection.
  public func queriesDecodedTogether(from position: Int) -> Int {
    configuration.blockSize - position % configuration.blockSize
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    guard configuration.decode, !state.chosen.isEmpty else { return }
    attend(into: &selections, state)
  }

  // MARK: Retention

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    switch phase {
    case .prefill: configuration.retention && selector.evictableEnd(forQuery: position - 1) > 0
    case .decode:
      thinsInDecode && position % configuration.blockSize == 0
        && selector.evictableEnd(forQuery: position) > 0
    }
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    let end = selector.evictableEnd(forQuery: layer.newestQuery + 1)
    if layer.phase == .decode { thinBlock(before: end, layer, &state, workspace: workspace) }
    guard configuration.retention else { return }
    for head in 0..<kept.count {
      kept[head] = state.held[head]
      if layer.phase == .decode && !state.held[head].isEverything {
        // The window of the next query, seen from the newest one: the thinned block is outside of it.
        kept[head].window = LocalWindow(width: max(0, layer.newestQuery - end))
      }
    }
  }

  /// The block [end − b, end) leaves the window before the next query: each head keeps its most important tokens of it.
  private func thinBlock(
    before end: Int, _ layer: LayerView, _ state: inout State, workspace: Workspace
  ) {
    if state.chosen.isEmpty { state.chosen = windowsOnly(layer) }
    let first = end - configuration.blockSize
    let additions = choose(layer, workspace: workspace) { heads, candidate in
      let cache = layer.heads[shape.kvHead(of: heads.lowerBound)]
      let importance = TCAImportance.inDecode(layer, heads: heads)
      let block = cache.slot(atOrAfter: first)..<cache.slot(atOrAfter: end)
      return selector.selectBlock(
        importance[block], at: block.map { cache.position(ofSlot: $0) },
        budget: candidate.decodeBudget)
    }
    for (head, addition) in additions.enumerated() {
      state.chosen[head].formUnion(runsOf: addition)
    }
    updateHeld(&state)
  }
}
