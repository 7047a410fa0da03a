import Records
import Tensors

/// TCA-Attention: each head keeps the core tokens of every block, as many as its calibrated
/// configuration allows.
///
/// You et al. 2025, arXiv 2512.09238v1. The paper's symbols: τ `threshold`, b `blockSize`, w
/// `localWindow`, α `balance`, p_k `TCACandidate.shares`, Ψ `TCACandidate.budgets`, h_j
/// `TCASelector.blockScores`, G the runs of a selection.
///
/// Offline, `TCACalibrator` picks each query head's candidate. Online, the last prompt query's
/// attention gives each key its importance; blocks are ranked by mass and redundancy and share out
/// the head's budgets; each keeps its most important tokens. Query i attends to G and to its local
/// window, keys from E(i) on. After the prompt a KV head keeps what its query heads chose and the
/// local window; in decode each block that leaves the window is thinned the same way.
///
/// Reconstructed: no public code, and no text of the paper beyond its abstract and public
/// summaries, was at hand. What was filled in is listed in `about.choices`. Beyond the paper, all
/// off by default: `sinks`, `importanceQueries`, `groupMerge` aggregate, `groupAttends` union, and
/// the criteria other than `columnMean`, which bounds nothing that a query loses.
///
/// A cache never drops its newest token: with `localWindow` 0, one that was not chosen stays until
/// the next block is thinned.
public struct TCA: SelectsInPrefill, SelectsInDecode, Retains, RemembersOtherPhases {
  public static let about = StrategyFacts(
    "tca",
    "Each head keeps the core tokens of every block, as many as its calibrated configuration allows.",
    .reconstructed, source: "You et al. 2025, arXiv 2512.09238",
    choices: [
      "the local window consists of whole blocks: localWindow + 1 to localWindow + blockSize keys",
      "importance is the last prompt query's softmax over all keys, not re-normalised in a block",
      "14 candidates: means at 7 even steps of log2 k, each with deviations 0.5 and 1.5",
      "blocks share a candidate's budgets by largest remainder; ties go to the lower position",
      "blocks are ranked by (1 - balance) mass + balance (1 - Herfindahl index), balance 0.5",
      "a head gets the candidate that keeps the fewest tokens and reaches the threshold, and keeps everything where none does",
      "columnMean, the paper's criterion: each column's mean attention over the queries that see it, kept of all; the local window counts as kept",
      "a KV head holds the union of what its query heads chose; each attends to its own choice",
      "in decode a block is thinned once, by the last query that has it in its window, to the candidate's mean budget",
    ])

  @Parameter(
    "attention mass that a head's configuration must keep in calibration", 0...1, isAnchor: true)
  public var threshold = 0.9
  @Parameter("tokens of a block, a power of two", 1...65_536, isBlockSize: true)
  public var blockSize = 128
  @Parameter("most recent tokens always kept, a multiple of blockSize", 0...)
  public var localWindow = 4096
  @Parameter("0 ranks blocks by their attention mass, 1 by how spread out it is", 0...1)
  public var balance = 0.5
  @Parameter("a shipped corpus by name, or a text file") public var calibrationCorpus = "emma"
  @Parameter(
    "tokens of the calibration pass; by default max(2048, 2 (localWindow + blockSize)), at most the model's context",
    2...)
  public var calibrationLength: Int? = nil
  @Parameter(
    "what calibration holds against the threshold; the paper's is columnMean", isAnchor: true)
  public var criterion = Criterion.columnMean
  @Parameter("how the choices of a group's query heads become what their KV head keeps")
  public var groupMerge = GroupMerge.union
  @Parameter("whether a query head attends to its own choice or to all that its group holds")
  public var groupAttends = GroupAttends.own
  @Parameter("first tokens kept before others, inside the budget", 0...) public var sinks = 0
  @Parameter("last prompt queries whose mean attention gives the importance", 1...)
  public var importanceQueries = 1
  @Parameter(
    "a candidate for each query head, layer after layer (-1 keeps everything), instead of calibrating",
    -1...TCACandidate.count - 1)
  public var heads: [Int]? = nil
  @Parameter("prompt queries attend to the selection") public var prefill = true
  @Parameter("decode queries attend to the selection") public var decode = true
  @Parameter("what was not chosen leaves the cache") public var retention = true

  public init() {}

  public var selector: TCASelector {
    TCASelector(blockSize: blockSize, localWindow: localWindow, balance: balance, sinks: sinks)
  }

  /// What the strategy remembers about one layer.
  public struct State: StrategyState {
    /// The layer's candidates by query head; nil keeps everything.
    let candidates: [TCACandidate?]
    /// G and the window by query head, G grown by the blocks that left the window in decode; empty
    /// before anything was chosen, and where no phase after the prompt goes by it.
    var chosen: [Selection] = []
    /// Their union by KV head.
    var held: [Selection] = []

    public var cacheBytes: Int { chosen.heldBytes + held.heldBytes }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    let all = TCACandidate.all(blockSize: blockSize)
    let first = layer * shape.queryHeads
    return State(
      candidates: (first..<first + shape.queryHeads).map { head in
        heads.flatMap { $0[head] < 0 ? nil : all[$0[head]] }
      })
  }

  private var window: LocalWindow {
    LocalWindow(width: localWindow, alignment: blockSize)
  }

  /// Whether what leaves the window in decode is thinned.
  private var thinsInDecode: Bool { decode || retention }

  // MARK: Prefill

  public var selectionLooksAhead: Bool { prefill }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State
  ) {
    guard prefill || thinsInDecode else { return }
    let end = selector.evictableEnd(forQuery: layer.newestQuery)
    state.chosen =
      end == 0
      ? windowsOnly(state)
      : choose(layer, state) { heads, candidate in
        let importance = layer.mean(over: heads) {
          layer.meanSoftmaxRow(ofHead: $0, lastQueries: importanceQueries)
        }
        return selector.select(importance.prefix(end), candidate: candidate)
      }
    updateHeld(&state, layer.shape)
    if prefill { attend(into: &selections, state, layer.shape) }
    // Else no later phase goes by it.
    if !thinsInDecode { (state.chosen, state.held) = ([], []) }
  }

  /// One selection per query head, heads in parallel; with groupMerge aggregate one per group.
  private func choose(
    _ layer: LayerView, _ state: State,
    _ select: (_ heads: Range<Int>, _ candidate: TCACandidate) -> Selection
  ) -> [Selection] {
    func selection(_ heads: Range<Int>) -> Selection? {
      state.candidates[heads.lowerBound].map { select(heads, $0) }
    }
    let shape = layer.shape
    let found =
      groupMerge == .aggregate
      ? layer.forEachKVHead { selection(shape.queryHeads(of: $0)) }
        .flatMap { Array(repeating: $0, count: shape.queryHeadsPerKVHead) }
      : layer.forEachQueryHead { selection($0..<$0 + 1) }
    return zip(windowsOnly(state), found).map { window, found in
      var chosen = window
      if let found { chosen.formUnion(runsOf: found) }
      return chosen
    }
  }

  /// What is attended to while nothing is evictable: the window, or everything for a head without a
  /// candidate.
  private func windowsOnly(_ state: State) -> [Selection] {
    state.candidates.map { $0 == nil ? .everything : Selection(window: window) }
  }

  private func updateHeld(_ state: inout State, _ shape: AttentionShape) {
    state.held = (0..<shape.kvHeads).map { kvHead in
      let members = state.chosen[shape.queryHeads(of: kvHead)]
      if members.contains(where: \.isEverything) { return .everything }
      var union = members[members.startIndex]
      for member in members.dropFirst() where member != union { union.formUnion(runsOf: member) }
      return union
    }
  }

  private func attend(
    into selections: inout HeadSelections, _ state: State, _ shape: AttentionShape
  ) {
    for head in 0..<selections.count {
      selections[head] =
        groupAttends == .own ? state.chosen[head] : state.held[shape.kvHead(of: head)]
    }
  }

  // MARK: Decode

  /// All queries of a block share E(i), and with it one selection.
  public func queriesDecodedTogether(from position: Int) -> Int {
    blockSize - position % blockSize
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    guard decode, !state.chosen.isEmpty else { return }
    attend(into: &selections, state, layer.shape)
  }

  // MARK: Retention

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    switch phase {
    case .prefill: retention && selector.evictableEnd(forQuery: position - 1) > 0
    case .decode:
      thinsInDecode && position % blockSize == 0
        && selector.evictableEnd(forQuery: position) > 0
    }
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    let end = selector.evictableEnd(forQuery: layer.newestQuery + 1)
    if layer.phase == .decode { thinBlock(before: end, layer, &state) }
    guard retention else { return }
    for head in 0..<kept.count {
      kept[head] = state.held[head]
      if layer.phase == .decode && !state.held[head].isEverything {
        // The window of the next query, seen from the newest one: the thinned block is outside of
        // it.
        kept[head].window = LocalWindow(width: max(0, layer.newestQuery - end))
      }
    }
  }

  /// The block [end − b, end) leaves the window before the next query: each head keeps its most
  /// important tokens of it.
  private func thinBlock(before end: Int, _ layer: LayerView, _ state: inout State) {
    if state.chosen.isEmpty { state.chosen = windowsOnly(state) }
    let first = end - blockSize
    let additions = choose(layer, state) { heads, candidate in
      let cache = layer.heads[layer.shape.kvHead(of: heads.lowerBound)]
      let importance = layer.mean(over: heads) { layer.softmaxRow(ofHead: $0) }
      let block = cache.slot(atOrAfter: first)..<cache.slot(atOrAfter: end)
      return selector.selectBlock(
        importance[block], at: block.map { cache.position(ofSlot: $0) },
        budget: candidate.decodeBudget)
    }
    for (head, addition) in additions.enumerated() {
      state.chosen[head].formUnion(runsOf: addition)
    }
    updateHeld(&state, layer.shape)
  }
}
