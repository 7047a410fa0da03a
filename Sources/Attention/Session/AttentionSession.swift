import Kernels
import Records
import Tensors
import Threads

/// One strategy at work on one sequence: what it remembers, its KV cache, and what they cost.
///
/// A prompt: cache its keys and values, select, attend, then compact if the strategy asks for it. A
/// decode step: compact (free tokens, move tokens to the cold tier) if due, cache, select, attend.
/// A prompt comes first and as a whole, or not at all; a decode step takes no more tokens than the
/// strategy allows at once.
///
/// The strategy acts on the layers that attend globally, and sees a model of these layers alone. A
/// layer with a window of its own attends within it and keeps what it can still see.
public final class AttentionSession: LayerAttention {
  public let strategy: any AttentionStrategy
  public let shape: AttentionShape
  public let workspace: Workspace
  /// How the caches hold keys and values.
  public let cache: CacheFormat
  /// Caches by layer and KV head.
  public private(set) var caches: [[KVHead]]
  /// Time by phase and stage since the session began.
  public private(set) var times: [AttentionPhase: StageTimes] = [:]
  /// Query-key pairs of all calls, over query heads and global layers.
  public private(set) var pairs = PairCounts()
  /// What the caches have held so far.
  public private(set) var use = CacheUse()
  /// How the strategy broke its contract, if it did; then its results cannot be trusted.
  public private(set) var fault: StrategyFault?
  /// Called with every decision of the strategy and the view it was based on.
  public var observer: ((LayerView, Decision, HeadSelections) -> Void)?

  /// By layer.
  private var work: [any LayerWork]
  /// The shape that the strategy sees, and the place in it of each layer; nil for one with a window.
  private let global: AttentionShape
  private let places: [Int?]
  /// Used if keys are seen at positions other than those they were written with.
  private let cacheRelative: CacheRelativeAttention?
  /// The kernel's gathering time when the last attention began.
  private var gatheredBefore: UInt64 = 0
  private var logSumExp: [Float] = []
  /// The output of the last piece, for the next.
  private var attended = Matrix(rows: 0, columns: 0)
  private var selections: HeadSelections
  private var kept: HeadSelections
  private var exact: HeadSelections
  /// By layer: what a retention before the next step is based on.
  private var newestQueries: [RecentQueries]
  /// What the layer at work held after the prompt entered, or after each of some decode steps.
  private var appended: [CacheUse.Bytes] = []

  /// What was decided.
  public enum Decision: Sendable, Hashable {
    /// One selection per query head, for queries at these positions.
    case attending(Range<Int>)
    /// One selection per KV head, its window taken at this query.
    case retaining(newestQuery: Int)
    /// One selection per KV head of what is held exactly, its window taken at this query.
    case cooling(newestQuery: Int)
    /// One selection per KV head of what keeps all its bits, its window taken at this query.
    case coarsening(newestQuery: Int)
  }

  /// - Parameter cache: the format of all layers' caches; one that can hold rows of the head
  ///   dimension, else traps.
  public init(
    _ strategy: any AttentionStrategy, shape: AttentionShape, workspace: Workspace,
    cache: CacheFormat = .f32
  ) {
    self.strategy = strategy
    self.shape = shape
    self.workspace = workspace
    self.cache = cache
    caches = shape.geometry.map { layer in
      (0..<shape.kvHeads).map { _ in
        KVHead(headDimension: shape.headDimension, scale: layer.scale, format: cache)
      }
    }
    global = shape.global
    let layers = shape.globalLayers
    places = shape.geometry.indices.map { layers.firstIndex(of: $0) }
    cacheRelative = strategy.cachePositions.flatMap { [global] in CacheRelativeAttention($0, global)
    }
    work = Self.work(of: strategy, shape, future: nil)
    coldFormat = work[layers[0]].coldFormat
    selections = HeadSelections(heads: shape.queryHeads)
    kept = HeadSelections(heads: shape.kvHeads)
    exact = kept
    newestQueries = work.map { RecentQueries(capacity: $0.queriesForRetention) }
  }

  private static func work(
    of strategy: any AttentionStrategy, _ shape: AttentionShape, future: FutureAttention?
  ) -> [any LayerWork] {
    var own = strategy.makeWork(shape: shape.global, future: future)[...]
    let skims = own.contains { $0.exactAbove != nil }
    return shape.geometry.map { layer in
      layer.window.map { WindowWork(window: $0, skims: skims) } ?? own.removeFirst()
    }
  }

  /// The strategy's name in a spec.
  public var name: String { type(of: strategy).about.name }

  /// Whether it has to be told what follows a prompt before it sees the prompt.
  public var readsFuture: Bool { strategy.readsFuture }

  /// Tells an oracle what will follow the prompt; other strategies ignore it. Traps once the caches
  /// hold tokens.
  public func foresee(_ future: FutureAttention) {
    precondition(
      caches.allSatisfy { $0.allSatisfy { $0.count == 0 } },
      "AttentionSession.foresee: the caches hold tokens already")
    work = Self.work(of: strategy, shape, future: future)
  }

  /// In how many bits the caches' cold tiers hold tokens; nil without one.
  public let coldFormat: ColdFormat?

  /// Whether the log-sum-exp is that of the dense logits: false if keys are seen at other positions
  /// or are quantised. Then it says nothing about the dense attention mass, so dropped mass and its
  /// bound are not measured.
  public var logitsAreDense: Bool {
    cacheRelative == nil && !holdsInFewerBits && !readsCoarsely
  }

  /// Whether some tokens are held in fewer bits than others.
  public var holdsInFewerBits: Bool { coldFormat != nil || holdsCoarsely }

  /// Whether tokens may give up all but their highest bits.
  private var holdsCoarsely: Bool { cache == .nested && work[shape.globalLayers[0]].coarsens }

  /// Whether decode queries read tokens of little weight by their highest bits alone.
  public var readsCoarsely: Bool { readsWholeAbove != nil }

  /// The share of a head's attention above which a token is read whole; nil where all are read so.
  public var readsWholeAbove: Double? {
    cache == .nested ? work[shape.globalLayers[0]].exactAbove : nil
  }

  /// Bytes that the strategy keeps for cached tokens besides keys and values, and in queries by which
  /// it will score them anew.
  public var stateBytes: Int { work.indices.reduce(0) { $0 + stateBytes(ofLayer: $1) } }

  private func stateBytes(ofLayer layer: Int) -> Int {
    work[layer].cacheBytes + newestQueries[layer].bytes
  }

  /// What the strategy remembers about each layer, and how many of its bytes count as part of the
  /// cache.
  package var states: [(state: Any, cacheBytes: Int)] {
    work.map { ($0.remembered, $0.cacheBytes) }
  }

  /// Bytes allocated by the caches, plus what the strategy keeps for their tokens.
  public var residentBytes: Int { sum(\.allocatedBytes) + windowResidentBytes + stateBytes }

  /// The part of ``residentBytes`` that layers with a window of their own take.
  public var windowResidentBytes: Int { sum(\.allocatedBytes, ofWindows: true) }

  /// Bytes of the tokens held, in whatever tier.
  public var logicalBytes: Int { sum(\.logicalBytes) + sum(\.logicalBytes, ofWindows: true) }

  /// Tokens held in whatever tier, over all global layers and KV heads.
  public var tokensHeld: Int { sum(\.heldCount) }

  /// Which of a prompt's tokens the KV heads of global layers hold; empty where all hold all of them.
  ///
  /// - Parameter count: tokens of the prompt, which is all that the caches have seen.
  public func keptTokens(ofPrompt count: Int) -> [KeptTokens] {
    guard shape.globalLayers.contains(where: { caches[$0].contains { $0.heldCount < count } })
    else { return [] }
    return shape.globalLayers.flatMap { layer in
      caches[layer].enumerated().map { head, cache in
        KeptTokens(
          layer: layer, kvHead: head, promptTokens: count, positions: cache.heldPositions)
      }
    }
  }

  /// The share of some positions whose tokens no KV head of any global layer holds; nil for none.
  public func shareHeldNowhere(of positions: [Int]) -> Double? {
    guard !positions.isEmpty else { return nil }
    var lost = Set(positions.map { Int32($0) })
    for (layer, place) in zip(caches, places) where place != nil && !lost.isEmpty {
      for head in layer { lost.subtract(head.heldPositions) }
    }
    return Double(lost.count) / Double(Set(positions).count)
  }

  /// A sum over the caches of the layers of one kind.
  private func sum(_ value: (KVHead) -> Int, ofWindows: Bool = false) -> Int {
    zip(caches, places).reduce(0) { total, layer in
      (layer.1 == nil) == ofWindows ? layer.0.reduce(total) { $0 + value($1) } : total
    }
  }

  public func queriesDecodedTogether(from position: Int) -> Int {
    // Tokens that are quantised in between would make later queries see them as they are after it.
    cache.changesWithAge
      ? 1 : max(1, work[shape.globalLayers[0]].queriesDecodedTogether(from: position))
  }

  public func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    checkStep(layer, phase, tokens: keys.rows, firstPosition: firstPosition)
    var clock = StageClock()
    if phase == .decode, work[layer].retentionIsDue(before: firstPosition, phase: .decode),
      let newest = newestQueries[layer].inOrder
    {
      compact(layer, view(layer, .decode, newest, firstPosition: firstPosition - newest.rows))
      clock.lap(&times[phase, default: StageTimes()].compact)
    }
    appended = append(keys, values, to: caches[layer], phase, firstPosition: firstPosition)
    clock.lap(&times[phase, default: StageTimes()].cache)
  }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    checkCached(layer, through: firstPosition + queries.rows - 1)
    var clock = StageClock()
    if logSumExp.count != shape.queryHeads * queries.rows {
      logSumExp = [Float](repeating: 0, count: shape.queryHeads * queries.rows)
    }
    let view = view(layer, phase, queries, firstPosition: firstPosition)
    clock.lap(&times[phase, default: StageTimes()].cache)

    work[layer].observe(view)
    var pairs = [PairCounts](repeating: PairCounts(), count: shape.queryHeads)
    switch phase {
    case .prefill: attendPrompt(layer, view, &clock, &pairs, take: take)
    case .decode:
      selections.fill(with: .everything)
      work[layer].selectForDecode(view, into: &selections)
      note(layer, view, .attending(view.queryPositions), &selections, heads: shape.queryHeads)
      clock.lap(&times[phase, default: StageTimes()].select)
      let rows = 0..<queries.rows
      attend(
        layer, view, [QueryBlock(rows: rows, selections: selections.selections)], of: rows, &pairs)
      lapAttend(&clock, phase)
      take(rows, attended)
      clock.skip()
    }
    if phase == .prefill {
      newestQueries[layer].append(queries.copy(ofRows: queries.rows - 1..<queries.rows))
      var whole = appended[0]
      whole.resident += stateBytes(ofLayer: layer)
      if work[layer].retentionIsDue(before: firstPosition + queries.rows, phase: .prefill) {
        compact(layer, view)
        clock.lap(&times[phase, default: StageTimes()].compact)
      }
      settle(layer, phase, &clock)
      var kept = bytes(of: caches[layer])
      kept.resident += stateBytes(ofLayer: layer)
      use.notePrompt(whole: whole, kept: kept, isWindow: places[layer] == nil)
    } else {
      newestQueries[layer].append(queries)
      noteSteps(layer, view, appended)
      settle(layer, phase, &clock)
    }
    if places[layer] != nil { self.pairs = pairs.reduce(self.pairs, +) }
    return AttentionOutcome(logSumExp: logSumExp, pairs: pairs)
  }

  /// Quantises the tokens that are old enough, where the format waits for that.
  private func settle(_ layer: Int, _ phase: AttentionPhase, _ clock: inout StageClock) {
    guard cache.changesWithAge else { return }
    forEach(caches[layer], inParallel: phase == .prefill) { $1.settle() }
    clock.lap(&times[phase, default: StageTimes()].cache)
  }

  /// Appends tokens to a layer's caches: a prompt as a whole, decode steps one by one, so that memory
  /// grows as it does when they are taken one by one.
  ///
  /// - Returns: what the caches hold after the prompt, or after each step.
  private func append(
    _ keys: Matrix, _ values: Matrix, to heads: [KVHead], _ phase: AttentionPhase,
    firstPosition: Int
  ) -> [CacheUse.Bytes] {
    let steps = phase == .prefill ? [0..<keys.rows] : (0..<keys.rows).map { $0..<$0 + 1 }
    return steps.map { rows in
      forEach(heads, inParallel: phase == .prefill) { [shape] index, head in
        head.append(
          keys: keys, values: values, rows: rows, column: index * shape.headDimension,
          firstPosition: firstPosition + rows.lowerBound)
      }
      return bytes(of: heads)
    }
  }

  private func bytes(of heads: [KVHead]) -> CacheUse.Bytes {
    heads.reduce(into: CacheUse.Bytes()) {
      $0.resident += $1.allocatedBytes
      $0.logical += $1.logicalBytes
    }
  }

  /// Notes what a layer held at each of some steps.
  ///
  /// Where steps are taken together although tokens were due to leave between them (a window that
  /// slides), those are counted as gone: the selection says which, and the memory of a cache that
  /// gives up a token for each that it takes does not grow.
  private func noteSteps(_ layer: Int, _ view: LayerView, _ held: [CacheUse.Bytes]) {
    let state = stateBytes(ofLayer: layer)
    var resident = held[0].resident
    for (row, position) in view.queryPositions.enumerated() {
      var bytes = held[row]
      if row > 0, work[layer].retentionIsDue(before: position, phase: .decode) {
        kept.fill(with: .everything)
        work[layer].selectForRetention(view, into: &kept)
        for (head, cache) in view.heads.enumerated() {
          let all = cache.slot(atOrAfter: position)
          let stay = kept[head].count(in: cache, upTo: position - 1)
          bytes.logical -=
            (all - stay) * self.cache.tokenBytes(headDimension: shape.headDimension)
        }
      } else {
        resident = bytes.resident
      }
      bytes.resident = resident + state
      use.noteStep(at: position, bytes, isWindow: places[layer] == nil)
    }
  }

  private func forEach(
    _ heads: [KVHead], inParallel: Bool, _ body: (_ index: Int, KVHead) -> Void
  ) {
    guard inParallel else { return heads.enumerated().forEach(body) }
    nonisolated(unsafe) let heads = heads
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let body = body
      workspace.workers.run(count: heads.count) { index, _ in body(index, heads[index]) }
    }
  }

  /// What a strategy is shown of a layer; of one with a window, what its ``WindowWork`` is shown.
  private func view(
    _ layer: Int, _ phase: AttentionPhase, _ queries: Matrix, firstPosition: Int
  ) -> LayerView {
    LayerView(
      layer: places[layer] ?? layer, shape: places[layer] == nil ? shape : global, phase: phase,
      queries: queries, firstQueryPosition: firstPosition, heads: caches[layer],
      workspace: workspace)
  }

  /// Selects block by block, and attends to several blocks in one call, at most to those of a piece.
  private func attendPrompt(
    _ layer: Int, _ view: LayerView, _ clock: inout StageClock, _ pairs: inout [PairCounts],
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) {
    let all = TokenPieces.of(view.queryCount)
    var pieces = all[...]
    var waiting: [QueryBlock] = []
    var runs = 0
    let first = view.firstQueryPosition
    for block in work[layer].prefillGranularity.blocks(of: view.queryCount) {
      let positions = first + block.lowerBound..<first + block.upperBound
      selections.fill(with: .everything)
      work[layer].selectForPrefill(view, queries: positions, into: &selections)
      note(layer, view, .attending(positions), &selections, heads: shape.queryHeads)
      runs += selections.selections.reduce(0) { $0 + $1.runs.count }
      clock.lap(&times[.prefill, default: StageTimes()].select)
      var rest = block
      while !rest.isEmpty, let piece = pieces.first {
        let rows = rest.clamped(to: piece)
        rest = rows.upperBound..<rest.upperBound
        waiting.append(QueryBlock(rows: rows, selections: selections.selections))
        let endsPiece = rows.upperBound == piece.upperBound
        // A few queries run faster on their own; many runs take memory.
        if block.count > AttentionKernel.fewQueries && !endsPiece && runs < Self.mostRunsWaiting {
          continue
        }
        attend(layer, view, waiting, of: piece, &pairs)
        lapAttend(&clock, .prefill)
        waiting.removeAll(keepingCapacity: true)
        runs = 0
        guard endsPiece else { continue }
        pieces.removeFirst()
        take(piece, attended)
        clock.skip()
      }
    }
    // What a prompt needs is not kept through the decode steps, what a long one needs not through
    // the other stages of the layer.
    if layer == shape.layers - 1 || all.count > 1 { attended = Matrix(rows: 0, columns: 0) }
    if all.count > 1 { workspace.releaseScratch() }
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

  private func checkCached(_ layer: Int, through position: Int) {
    let head = caches[layer][0]
    precondition(
      head.count > 0 && head.position(ofSlot: head.count - 1) == position,
      "AttentionSession.attend: queries up to position \(position) in layer \(layer), whose cache ends elsewhere"
    )
  }

  /// Passes a decision on. If it does not hold one selection per head, that is a fault, and
  /// everything is selected instead.
  private func note(
    _ layer: Int, _ view: LayerView, _ decision: Decision, _ selections: inout HeadSelections,
    heads: Int
  ) {
    if selections.count != heads {
      workspace.report(
        "\(selections.count) selections in layer \(layer) for \(heads) heads; set one for each head, or leave it"
      )
      selections = HeadSelections(heads: heads)
    }
    if let text = workspace.takeFault(), fault == nil {
      fault = StrategyFault(strategy: type(of: strategy).about.name, message: text)
    }
    if places[layer] != nil { observer?(view, decision, selections) }
  }

  /// Counts the time since the last lap as attention, except for gathering selected tokens, which
  /// is part of selection.
  private func lapAttend(_ clock: inout StageClock, _ phase: AttentionPhase) {
    var spent: UInt64 = 0
    clock.lap(&spent)
    let gathering = min(spent, workspace.kernel.gatheringTime - gatheredBefore)
    times[phase, default: StageTimes()].attend += spent - gathering
    times[phase, default: StageTimes()].select += gathering
  }

  /// The most runs held back until their queries attend (16 bytes each).
  private static let mostRunsWaiting = 1 << 18

  /// Attends for blocks within a piece of the rows, into ``attended``.
  private func attend(
    _ layer: Int, _ view: LayerView, _ blocks: [QueryBlock], of piece: Range<Int>,
    _ pairs: inout [PairCounts]
  ) {
    if attended.rows != piece.count || attended.columns != view.queries.columns {
      attended = Matrix(rows: piece.count, columns: view.queries.columns)
    }
    gatheredBefore = workspace.kernel.gatheringTime
    if let cacheRelative, places[layer] != nil, cacheRelative.acts(on: view) {
      for block in blocks {
        let counts = cacheRelative.attend(
          view, rows: block.rows, selections: block.selections, kernel: workspace.kernel,
          output: &attended, firstOutputRow: piece.lowerBound, logSumExp: &logSumExp)
        for head in pairs.indices { pairs[head] += counts[head] }
      }
      return
    }
    let counts = workspace.kernel.attend(
      queries: view.queries, blocks: blocks, firstPosition: view.firstQueryPosition, shape: shape,
      heads: view.heads, exactAbove: view.phase == .decode ? work[layer].exactAbove : nil,
      output: &attended, firstOutputRow: piece.lowerBound,
      logSumExp: &logSumExp)
    for head in pairs.indices { pairs[head] += counts[head] }
  }

  private func compact(_ layer: Int, _ view: LayerView) {
    let newest = view.newestQuery
    kept.fill(with: .everything)
    work[layer].selectForRetention(view, into: &kept)
    note(layer, view, .retaining(newestQuery: newest), &kept, heads: shape.kvHeads)
    exact = kept
    if let coldFormat, places[layer] != nil {
      work[layer].selectForColdTier(view, into: &exact)
      note(layer, view, .cooling(newestQuery: newest), &exact, heads: shape.kvHeads)
      forEach(view.heads, inParallel: true) { [kept, exact] index, head in
        head.cool(kept[index], except: exact[index], newestQuery: newest, format: coldFormat)
      }
      kept = exact
    }
    for (head, cache) in view.heads.enumerated() {
      cache.retain(kept[head], newestQuery: newest, keepsSlack: view.phase == .decode)
    }
    guard holdsCoarsely, work[layer].coarsens else { return }
    work[layer].selectWhole(view, into: &exact)
    note(layer, view, .coarsening(newestQuery: newest), &exact, heads: shape.kvHeads)
    forEach(view.heads, inParallel: true) { [exact] index, head in
      head.coarsen(except: exact[index], newestQuery: newest)
    }
  }
}

extension Selection {
  /// How many tokens of a cache, up to the one at `query`, it keeps when its window is taken there.
  fileprivate func count(in cache: KVHead, upTo query: Int) -> Int {
    let start = window.start(forQuery: query)
    let recent = cache.slot(atOrAfter: query + 1) - cache.slot(atOrAfter: start)
    return runs.reduce(recent) { count, run in
      guard run.lowerBound < start else { return count }
      return count + cache.slot(atOrAfter: min(run.upperBound, start))
        - cache.slot(atOrAfter: run.lowerBound)
    }
  }
}
