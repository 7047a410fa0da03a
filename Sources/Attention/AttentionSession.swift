import Kernels
import Records
import Tensors

/// One strategy at work on one sequence: its states, its KV cache, and what they cost.
///
/// A prompt is: cache its keys and values, select, attend, then compact where the strategy wants it. A decode step is:
/// compact (free tokens, move tokens to the cold tier) where it is due, cache, select, attend. A prompt comes first and whole, or not at all; a decode step takes
/// no more tokens than the strategy allows together.
public final class AttentionSession<Strategy: AttentionStrategy>: StrategySession {
  public private(set) var strategy: Strategy
  public let shape: AttentionShape
  public let workspace: Workspace
  /// Caches by layer and KV head.
  public private(set) var caches: [[KVHead]]
  /// Query-key pairs of the last call, by query head.
  public private(set) var pairs: [PairCounts]
  /// Time by phase and stage.
  public private(set) var times: [AttentionPhase: StageTimes] = [:]
  /// Natural log-sum-exp of the last call, (queryHeads x tokens).
  public private(set) var logSumExp: [Float] = []
  /// Selections of the last call, one per query head; of a prompt selected block by block, the last block's.
  public private(set) var lastSelections: HeadSelections
  private var states: [Strategy.State]
  /// Attends where keys are seen at other positions than they were written with.
  private let cacheRelative: CacheRelativeAttention?
  /// The kernel's gathering time when the last attention began.
  private var gatheredBefore: UInt64 = 0
  private var kept: HeadSelections
  private var exact: HeadSelections
  /// The last query of each layer (1 x queryHeads·headDimension): what a retention before the next step goes by.
  private var newestQueries: [Matrix?]

  public init(_ strategy: Strategy, shape: AttentionShape, workspace: Workspace) {
    self.strategy = strategy
    self.shape = shape
    self.workspace = workspace
    caches = shape.geometry.map { layer in
      (0..<shape.kvHeads).map { _ in
        KVHead(headDimension: shape.headDimension, scale: layer.scale)
      }
    }
    cacheRelative = strategy.cachePositions.map { CacheRelativeAttention($0, shape) }
    states = (0..<shape.layers).map { strategy.makeState(layer: $0) }
    lastSelections = HeadSelections(heads: shape.queryHeads)
    kept = HeadSelections(heads: shape.kvHeads)
    exact = kept
    newestQueries = Array(repeating: nil, count: shape.layers)
    pairs = Array(repeating: PairCounts(), count: shape.queryHeads)
  }

  public var description: StrategyDescription { Strategy.description }

  public var readsFuture: Bool { strategy.readsFuture }

  public func foresee(_ future: FutureAttention) {
    precondition(
      caches.allSatisfy { $0.allSatisfy { $0.count == 0 } },
      "AttentionSession.foresee: the caches hold tokens already")
    strategy = strategy.reading(future)
  }

  public var logitsAreDense: Bool { strategy.logitsAreDense }

  public var stateBytes: Int { states.reduce(0) { $0 + strategy.cacheBytes(of: $1) } }

  public var coldFormat: ColdFormat? { strategy.coldFormat }

  public func queriesDecodedTogether(from position: Int) -> Int {
    max(1, strategy.queriesDecodedTogether(from: position))
  }

  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) {
    checkStep(layer, phase, tokens: queries.rows, firstPosition: firstPosition)
    var clock = StageClock()
    let heads = caches[layer]
    if phase == .decode, strategy.retentionIsDue(before: firstPosition, phase: .decode),
      let newest = newestQueries[layer]
    {
      compact(
        LayerView(
          layer: layer, shape: shape, phase: .decode, queries: newest,
          firstQueryPosition: firstPosition - 1, heads: heads))
      clock.lap(&times[phase, default: StageTimes()].compact)
    }
    for (index, head) in heads.enumerated() {
      head.append(
        keys: keys, values: values, column: index * shape.headDimension,
        firstPosition: firstPosition)
    }
    if logSumExp.count != shape.queryHeads * queries.rows {
      logSumExp = [Float](repeating: 0, count: shape.queryHeads * queries.rows)
    }
    let view = LayerView(
      layer: layer, shape: shape, phase: phase, queries: queries,
      firstQueryPosition: firstPosition, heads: heads)
    clock.lap(&times[phase, default: StageTimes()].cache)

    for head in pairs.indices { pairs[head] = PairCounts() }
    switch phase {
    case .prefill:
      var waiting: [QueryBlock] = []
      var runs = 0
      for block in strategy.prefillGranularity.blocks(of: queries.rows) {
        lastSelections.reset()
        strategy.selectForPrefill(
          view, queries: firstPosition + block.lowerBound..<firstPosition + block.upperBound,
          into: &lastSelections, state: &states[layer], workspace: workspace)
        waiting.append(QueryBlock(rows: block, selections: lastSelections.selections))
        runs += lastSelections.selections.reduce(0) { $0 + $1.runs.count }
        clock.lap(&times[phase, default: StageTimes()].select)
        // Few queries are attended to faster alone; many runs take memory.
        if block.count > AttentionKernel.fewQueries && block.upperBound < queries.rows
          && runs < Self.mostRunsWaiting
        {
          continue
        }
        attend(view, waiting, output: &output)
        lapAttend(&clock, phase)
        waiting.removeAll(keepingCapacity: true)
        runs = 0
      }
    case .decode:
      lastSelections.reset()
      strategy.selectForDecode(
        view, into: &lastSelections, state: &states[layer], workspace: workspace)
      clock.lap(&times[phase, default: StageTimes()].select)
      attend(
        view, [QueryBlock(rows: 0..<queries.rows, selections: lastSelections.selections)],
        output: &output)
      lapAttend(&clock, phase)
    }
    newestQueries[layer] = Matrix(
      rows: 1, columns: queries.columns,
      elements: Array(queries.elements.suffix(queries.columns)))
    if phase == .prefill,
      strategy.retentionIsDue(before: firstPosition + queries.rows, phase: .prefill)
    {
      compact(view)
      clock.lap(&times[phase, default: StageTimes()].compact)
    }
  }

  private func checkStep(
    _ layer: Int, _ phase: AttentionPhase, tokens: Int, firstPosition: Int
  ) {
    switch phase {
    case .prefill:
      precondition(
        firstPosition == 0 && caches[layer][0].count == 0,
        "AttentionSession.attend: a prompt at position \(firstPosition), \(caches[layer][0].count) tokens are cached"
      )
    case .decode:
      let together = queriesDecodedTogether(from: firstPosition)
      precondition(
        tokens <= together,
        "AttentionSession.attend: \(tokens) decode steps at position \(firstPosition), at most \(together) go together"
      )
    }
  }

  /// The time since the last border was attention, but for the gathering of selected tokens, which is selection.
  private func lapAttend(_ clock: inout StageClock, _ phase: AttentionPhase) {
    var spent: UInt64 = 0
    clock.lap(&spent)
    let gathering = min(spent, workspace.kernel.gatheringTime - gatheredBefore)
    times[phase, default: StageTimes()].attend += spent - gathering
    times[phase, default: StageTimes()].select += gathering
  }

  /// Runs of selections that wait for their queries to attend (16 bytes each).
  private static var mostRunsWaiting: Int { 1 << 18 }

  private func attend(_ view: LayerView, _ blocks: [QueryBlock], output: inout Matrix) {
    gatheredBefore = workspace.kernel.gatheringTime
    if let cacheRelative, cacheRelative.acts(on: view) {
      for block in blocks {
        let counts = cacheRelative.attend(
          view, rows: block.rows, selections: block.selections, kernel: workspace.kernel,
          output: &output, logSumExp: &logSumExp)
        for head in pairs.indices { pairs[head] += counts[head] }
      }
      return
    }
    let counts = workspace.kernel.attend(
      queries: view.queries, blocks: blocks, firstPosition: view.firstQueryPosition, shape: shape,
      heads: view.heads, output: &output, logSumExp: &logSumExp)
    for head in pairs.indices { pairs[head] += counts[head] }
  }

  private func compact(_ view: LayerView) {
    kept.reset()
    strategy.selectForRetention(
      view, into: &kept, state: &states[view.layer], workspace: workspace)
    exact = kept
    if let format = strategy.coldFormat {
      strategy.selectForColdTier(
        view, into: &exact, state: &states[view.layer], workspace: workspace)
      nonisolated(unsafe) let heads = view.heads
      let newest = view.newestQuery
      workspace.workers.run(count: heads.count) { [kept, exact] head, _ in
        heads[head].cool(
          kept[head], except: exact[head], newestQuery: newest, format: format)
      }
    }
    for (head, cache) in view.heads.enumerated() {
      cache.retain(
        exact[head], newestQuery: view.newestQuery, keepsSlack: view.phase == .decode)
    }
  }
}
