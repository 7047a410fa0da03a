import Kernels
import Records
import Tensors

/// One strategy at work on one sequence: its states, its KV cache, and what they cost.
///
/// A prompt is: cache its keys and values, select, attend, then compact where the strategy wants it. A decode step is:
/// compact where it is due, cache, select, attend. A prompt comes first and whole, or not at all; a decode step takes
/// no more tokens than the strategy allows together.
public final class AttentionSession<Strategy: AttentionStrategy>: StrategySession {
  public let strategy: Strategy
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
  /// The last query of each layer (1 x queryHeads·headDimension): what a retention before the next step goes by.
  private var newestQueries: [Matrix?]

  public init(_ strategy: Strategy, shape: AttentionShape, workspace: Workspace) {
    self.strategy = strategy
    self.shape = shape
    self.workspace = workspace
    caches = (0..<shape.layers).map { _ in
      (0..<shape.kvHeads).map { _ in KVHead(headDimension: shape.headDimension) }
    }
    cacheRelative =
      if let positions = strategy.cachePositions, let rotary = shape.rotary {
        CacheRelativeAttention(positions, rotary, headDimension: shape.headDimension)
      } else {
        nil
      }
    states = (0..<shape.layers).map { strategy.makeState(layer: $0) }
    lastSelections = HeadSelections(heads: shape.queryHeads)
    kept = HeadSelections(heads: shape.kvHeads)
    newestQueries = Array(repeating: nil, count: shape.layers)
    pairs = Array(repeating: PairCounts(), count: shape.queryHeads)
  }

  public var description: StrategyDescription { Strategy.description }

  public var logitsAreDense: Bool { strategy.logitsAreDense }

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
      for block in strategy.prefillGranularity.blocks(of: queries.rows) {
        lastSelections.reset()
        strategy.selectForPrefill(
          view, queries: firstPosition + block.lowerBound..<firstPosition + block.upperBound,
          into: &lastSelections, state: &states[layer], workspace: workspace)
        clock.lap(&times[phase, default: StageTimes()].select)
        attend(view, rows: block, output: &output)
        lapAttend(&clock, phase)
      }
    case .decode:
      lastSelections.reset()
      strategy.selectForDecode(
        view, into: &lastSelections, state: &states[layer], workspace: workspace)
      clock.lap(&times[phase, default: StageTimes()].select)
      attend(view, rows: 0..<queries.rows, output: &output)
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

  private func attend(_ view: LayerView, rows: Range<Int>, output: inout Matrix) {
    gatheredBefore = workspace.kernel.gatheringTime
    let counts: [PairCounts]
    if let cacheRelative, view.phase == .decode || cacheRelative.positions.actsInPrefill {
      counts = cacheRelative.attend(
        view, rows: rows, selections: lastSelections.selections, kernel: workspace.kernel,
        output: &output, logSumExp: &logSumExp)
    } else {
      counts = workspace.kernel.attend(
        queries: view.queries, rows: rows, firstPosition: view.firstQueryPosition, shape: shape,
        heads: view.heads, selections: lastSelections.selections, output: &output,
        logSumExp: &logSumExp)
    }
    for head in pairs.indices { pairs[head] += counts[head] }
  }

  private func compact(_ view: LayerView) {
    kept.reset()
    strategy.selectForRetention(
      view, into: &kept, state: &states[view.layer], workspace: workspace)
    for (head, cache) in view.heads.enumerated() {
      cache.retain(
        kept[head], newestQuery: view.newestQuery, keepsSlack: view.phase == .decode)
    }
  }
}
