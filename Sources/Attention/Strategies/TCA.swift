import Kernels
import Records
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
/// thinned once, with the query before the first that no longer has it in its window.
public struct TCA: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var threshold: Double
    public var blockSize: Int
    public var localWindow: Int
    public var balance: Double
    public var calibrationCorpus: String
    public var calibrationLength: Int?
    public var criterion: Criterion
    public var groupMerge: GroupMerge
    public var groupAttends: GroupAttends
    public var sinks: Int
    public var importanceQueries: Int
    /// A candidate for each query head, layer after layer; nil until calibrated.
    public var heads: [Int]?
    public var prefill: Bool
    public var decode: Bool
    public var retention: Bool

    public init(
      threshold: Double = 0.9, blockSize: Int = 128, localWindow: Int = 4096,
      balance: Double = 0.5, calibrationCorpus: String = "emma", calibrationLength: Int? = nil,
      criterion: Criterion = .meanMass, groupMerge: GroupMerge = .union,
      groupAttends: GroupAttends = .own, sinks: Int = 0, importanceQueries: Int = 1,
      heads: [Int]? = nil, prefill: Bool = true, decode: Bool = true, retention: Bool = true
    ) {
      self.threshold = threshold
      self.blockSize = blockSize
      self.localWindow = localWindow
      self.balance = balance
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.criterion = criterion
      self.groupMerge = groupMerge
      self.groupAttends = groupAttends
      self.sinks = sinks
      self.importanceQueries = importanceQueries
      self.heads = heads
      self.prefill = prefill
      self.decode = decode
      self.retention = retention
    }

    public var selector: TCASelector {
      TCASelector(
        blockSize: blockSize, localWindow: localWindow, balance: balance, sinks: sinks)
    }
  }

  /// What calibration holds against the threshold.
  public enum Criterion: String, Codable, Hashable, Sendable, CaseIterable {
    /// The paper's: mean attention of the kept columns over the queries that see them, of all columns'.
    case columnMean
    /// Mean retained mass over queries with a non-empty evictable region.
    case meanMass
    /// The 10 % quantile of that mass.
    case quantileMass
    /// Its mean over the last block of queries.
    case lastBlock
  }

  /// How the choices of a group's query heads become what their KV head keeps.
  public enum GroupMerge: String, Codable, Hashable, Sendable, CaseIterable {
    /// Everything that one of them chose.
    case union
    /// One choice from the mean importance of the group.
    case aggregate
  }

  /// What a query head attends to of the tokens its KV head holds.
  public enum GroupAttends: String, Codable, Hashable, Sendable, CaseIterable {
    case own, union
  }

  /// What the strategy remembers of one layer.
  public struct State: Sendable {
    /// G by query head, grown by the blocks that left the window in decode.
    var chosen: [Selection] = []
    /// Their union by KV head.
    var held: [Selection] = []
  }

  public static let description = StrategyDescription(
    name: "tca",
    summary:
      "Each head keeps the core tokens of every block, as many as its calibrated configuration allows.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "threshold", .number(minimum: 0, maximum: 1), default: .number(0.9),
        "attention mass that a head's configuration must keep in calibration"),
      ParameterDescription(
        "blockSize", .integer(minimum: 1, maximum: 65_536), default: .integer(128),
        "tokens of a block, a power of two"),
      ParameterDescription(
        "localWindow", .integer(minimum: 0, maximum: nil), default: .integer(4096),
        "most recent tokens always kept, a multiple of blockSize"),
      ParameterDescription(
        "balance", .number(minimum: 0, maximum: 1), default: .number(0.5),
        "0 ranks blocks by their attention mass, 1 by how spread out it is"),
      ParameterDescription(
        "calibrationCorpus", .string, default: .string("emma"),
        "a shipped corpus by name, or a text file"),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: nil), default: .null,
        "tokens of the calibration pass; by default max(2048, 2 (localWindow + blockSize)), at most the model's context"
      ),
      ParameterDescription(
        "criterion", .choice(Criterion.allCases.map(\.rawValue)), default: .string("meanMass"),
        "what calibration holds against the threshold; the paper's is columnMean"),
      ParameterDescription(
        "groupMerge", .choice(GroupMerge.allCases.map(\.rawValue)), default: .string("union"),
        "how the choices of a group's query heads become what their KV head keeps"),
      ParameterDescription(
        "groupAttends", .choice(GroupAttends.allCases.map(\.rawValue)), default: .string("own"),
        "whether a query head attends to its own choice or to all that its group holds"),
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: nil), default: .integer(0),
        "first tokens kept in any case, inside the budget"),
      ParameterDescription(
        "importanceQueries", .integer(minimum: 1, maximum: nil), default: .integer(1),
        "last prompt queries whose mean attention gives the importance"),
      ParameterDescription(
        "heads", .list(of: .integer(minimum: -1, maximum: TCACandidate.count - 1)), default: .null,
        "a candidate for each query head, layer after layer (-1 keeps everything), instead of calibrating"
      ),
      ParameterDescription(
        "prefill", .boolean, default: .boolean(true), "prompt queries attend to the selection"),
      ParameterDescription(
        "decode", .boolean, default: .boolean(true), "decode queries attend to the selection"),
      ParameterDescription(
        "retention", .boolean, default: .boolean(true), "what was not chosen leaves the cache"),
    ],
    selectionLooksAhead: true, fidelity: .faithful, source: "You et al. 2025, arXiv 2512.09238")

  public let configuration: Configuration
  private let selector: TCASelector
  private let candidates: [TCACandidate]
  private let shape: AttentionShape

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    self.configuration = configuration
    self.shape = shape
    selector = configuration.selector
    try Self.check(configuration, shape)
    candidates = TCACandidate.all(blockSize: configuration.blockSize)
  }

  /// Throws unless block size and window fit together: what can be said before calibration.
  public static func checkSizes(_ configuration: Configuration) throws(ConfigurationError) {
    let b = configuration.blockSize
    guard b >= 1, b & (b - 1) == 0 else {
      throw ConfigurationError("blockSize", "\(b) is not a power of two; use 16, 32, 64, 128 …")
    }
    guard configuration.localWindow >= 0, configuration.localWindow % b == 0 else {
      throw ConfigurationError(
        "localWindow",
        "\(configuration.localWindow) is not a multiple of blockSize \(b); use \(max(1, configuration.localWindow / b) * b)"
      )
    }
  }

  private static func check(
    _ configuration: Configuration, _ shape: AttentionShape
  ) throws(ConfigurationError) {
    try checkSizes(configuration)
    guard let heads = configuration.heads else {
      throw ConfigurationError(
        "heads", "not calibrated: run `tca-lab calibrate`, or list a candidate for each query head")
    }
    guard heads.count == shape.layers * shape.queryHeads else {
      throw ConfigurationError(
        "heads",
        "\(heads.count) candidates for \(shape.layers) layers x \(shape.queryHeads) query heads; \(shape.layers * shape.queryHeads) are needed, layer after layer"
      )
    }
    if let wrong = heads.first(where: { !(-1..<TCACandidate.count).contains($0) }) {
      throw ConfigurationError(
        "heads", "candidate \(wrong) does not exist; use 0…13, or -1 to keep everything")
    }
    if configuration.groupMerge == .aggregate {
      for group in stride(from: 0, to: heads.count, by: shape.queryHeadsPerKVHead) {
        let members = heads[group..<group + shape.queryHeadsPerKVHead]
        guard Set(members).count == 1 else {
          throw ConfigurationError(
            "heads",
            "\(Array(members)) for one group: with groupMerge aggregate the query heads of a KV head share one candidate"
          )
        }
      }
    }
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

  // MARK: Prefill

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    let end = selector.evictableEnd(forQuery: layer.newestQuery)
    let importance = groupImportance(layer, workspace: workspace) { head, weights in
      AttentionWeights.meanSoftmax(
        queries: layer.queries, firstPosition: layer.firstQueryPosition,
        columns: columns(of: head), count: configuration.importanceQueries,
        newest: layer.newestQuery, keys: layer.heads[shape.kvHead(of: head)].keys, into: &weights)
    } choose: { head, weights in
      candidate(layer: layer.layer, head: head).map {
        var selection = selector.select(weights.prefix(end), candidate: $0)
        selection.window = window
        return selection
      } ?? .everything
    }
    state.chosen = importance
    updateHeld(&state)
    if configuration.prefill {
      for head in 0..<selections.count { selections[head] = attended(by: head, state) }
    }
  }

  private func columns(of head: Int) -> Range<Int> {
    head * shape.headDimension..<(head + 1) * shape.headDimension
  }

  /// One selection per query head, heads in parallel: `weigh` fills a head's importance of the cached keys, `choose`
  /// selects from it; with groupMerge aggregate, from the mean over the group.
  private func groupImportance(
    _ layer: LayerView, workspace: Workspace,
    weigh: (_ head: Int, _ weights: inout [Float]) -> Void,
    choose: (_ head: Int, _ weights: [Float]) -> Selection
  ) -> [Selection] {
    let results = Mutex([Selection](repeating: .everything, count: shape.queryHeads))
    let isShared = configuration.groupMerge == .aggregate
    workspace.workers.run(count: isShared ? shape.kvHeads : shape.queryHeads) { item, _ in
      let members = isShared ? shape.queryHeads(of: item) : item..<item + 1
      let cache = layer.heads[shape.kvHead(of: members.lowerBound)]
      var weights = [Float](repeating: 0, count: cache.count)
      weigh(members.lowerBound, &weights)
      if members.count > 1 {
        var other = weights
        for head in members.dropFirst() {
          weigh(head, &other)
          for index in weights.indices { weights[index] += other[index] }
        }
        let share = 1 / Float(members.count)
        for index in weights.indices { weights[index] *= share }
      }
      let selection = choose(members.lowerBound, weights)
      results.withLock { results in
        for head in members { results[head] = selection }
      }
    }
    return results.withLock { $0 }
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

  private func attended(by head: Int, _ state: State) -> Selection {
    configuration.groupAttends == .own ? state.chosen[head] : state.held[shape.kvHead(of: head)]
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
    for head in 0..<selections.count { selections[head] = attended(by: head, state) }
  }

  // MARK: Retention

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    switch phase {
    case .prefill: configuration.retention && selector.evictableEnd(forQuery: position - 1) > 0
    case .decode:
      position % configuration.blockSize == 0 && selector.evictableEnd(forQuery: position) > 0
    }
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    if layer.phase == .decode { thinLeavingBlock(layer, state: &state, workspace: workspace) }
    guard configuration.retention else { return }
    for head in 0..<kept.count {
      kept[head] = state.held[head]
      if layer.phase == .decode && !state.held[head].isEverything {
        // The window of the next query: the thinned block is outside of it.
        kept[head].window = LocalWindow(
          width: layer.newestQuery + 1 - newEnd(layer) - 1, alignment: 1)
      }
    }
  }

  /// E of the next query.
  private func newEnd(_ layer: LayerView) -> Int {
    selector.evictableEnd(forQuery: layer.newestQuery + 1)
  }

  /// The block [E − b, E) leaves the window before the next query: each head keeps its most important tokens of it.
  private func thinLeavingBlock(
    _ layer: LayerView, state: inout State, workspace: Workspace
  ) {
    if state.chosen.isEmpty {
      state.chosen = (0..<shape.queryHeads).map { head in
        candidate(layer: layer.layer, head: head) == nil
          ? .everything : Selection(window: window)
      }
    }
    let end = newEnd(layer)
    let first = end - configuration.blockSize
    let additions = groupImportance(layer, workspace: workspace) { head, weights in
      let cache = layer.heads[shape.kvHead(of: head)]
      AttentionWeights.softmax(
        query: layer.query(head: head, at: layer.newestQuery), keys: cache.keys,
        visible: cache.count, into: &weights)
    } choose: { head, weights in
      guard let candidate = candidate(layer: layer.layer, head: head) else { return .everything }
      let cache = layer.heads[shape.kvHead(of: head)]
      let slots = cache.slot(atOrAfter: first)..<cache.slot(atOrAfter: end)
      return selector.selectBlock(weights[slots], first: first, budget: candidate.decodeBudget)
    }
    for head in state.chosen.indices where !state.chosen[head].isEverything {
      state.chosen[head].formUnion(runsOf: additions[head])
    }
    updateHeld(&state)
  }
}
