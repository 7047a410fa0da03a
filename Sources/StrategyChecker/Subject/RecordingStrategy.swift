import Attention
import Records
import Synchronization
import Tensors

/// What a strategy decided in one call, with what the cache held at that moment.
struct RecordedDecision: Sendable {
  enum Purpose: Sendable, Hashable {
    /// One selection a query head, for queries at these positions.
    case attending(Range<Int>)
    /// One selection a KV head, its window taken at this query.
    case retaining(newestQuery: Int)
    /// One selection a KV head of what is held exactly, its window taken at this query.
    case cooling(newestQuery: Int)
  }

  let layer: Int
  let phase: AttentionPhase
  let purpose: Purpose
  let selections: [Selection]
  /// Token positions by KV head, in whatever tier.
  let held: [[Int]]
  /// Those of the cold tier.
  let cold: [[Int]]
}

/// Takes down every decision of one session, in order.
final class DecisionRecorder: Sendable {
  private let log = Mutex<[RecordedDecision]>([])

  var decisions: [RecordedDecision] { log.withLock { $0 } }

  func note(
    _ layer: LayerView, _ purpose: RecordedDecision.Purpose, _ selections: HeadSelections
  ) {
    let decision = RecordedDecision(
      layer: layer.layer, phase: layer.phase, purpose: purpose,
      selections: selections.selections,
      held: layer.heads.map { $0.heldPositions.map { Int($0) } },
      cold: layer.heads.map { $0.cold?.positions.map { Int($0) } ?? [] })
    log.withLock { $0.append(decision) }
  }
}

/// A strategy whose decisions are taken down; it decides exactly as `base` does.
///
/// Every requirement of `AttentionStrategy` must be passed on, those with a default too: the checker holds a recorded
/// session against one that is not, and a requirement forgotten here shows there.
struct RecordingStrategy<Base: AttentionStrategy>: AttentionStrategy {
  static var description: StrategyDescription { Base.description }

  let base: Base
  let recorder: DecisionRecorder

  init(_ base: Base, recorder: DecisionRecorder) {
    self.base = base
    self.recorder = recorder
  }

  init(_ configuration: Base.Configuration, for shape: AttentionShape) throws(ConfigurationError) {
    self.init(try Base(configuration, for: shape), recorder: DecisionRecorder())
  }

  func makeState(layer: Int) -> Base.State { base.makeState(layer: layer) }

  var readsFuture: Bool { base.readsFuture }

  func reading(_ future: FutureAttention) -> RecordingStrategy {
    RecordingStrategy(base.reading(future), recorder: recorder)
  }

  var logitsAreDense: Bool { base.logitsAreDense }

  var remembersOtherPhases: Bool { base.remembersOtherPhases }

  func cacheBytes(of state: Base.State) -> Int { base.cacheBytes(of: state) }
  var cachePositions: CachePositions? { base.cachePositions }

  var prefillGranularity: PrefillGranularity { base.prefillGranularity }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout Base.State, workspace: Workspace
  ) {
    base.selectForPrefill(
      layer, queries: queries, into: &selections, state: &state, workspace: workspace)
    recorder.note(layer, .attending(queries), selections)
  }

  func queriesDecodedTogether(from position: Int) -> Int {
    base.queriesDecodedTogether(from: position)
  }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout Base.State,
    workspace: Workspace
  ) {
    base.selectForDecode(layer, into: &selections, state: &state, workspace: workspace)
    recorder.note(layer, .attending(layer.queryPositions), selections)
  }

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    base.retentionIsDue(before: position, phase: phase)
  }

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout Base.State,
    workspace: Workspace
  ) {
    base.selectForRetention(layer, into: &kept, state: &state, workspace: workspace)
    recorder.note(layer, .retaining(newestQuery: layer.newestQuery), kept)
  }

  var coldFormat: ColdFormat? { base.coldFormat }

  func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout Base.State,
    workspace: Workspace
  ) {
    base.selectForColdTier(layer, into: &exact, state: &state, workspace: workspace)
    recorder.note(layer, .cooling(newestQuery: layer.newestQuery), exact)
  }
}

/// A session that can be begun again: with the same strategy value, so that what a strategy hides in it is found.
protocol RepeatableSession {
  func begunAgain(in workspace: Workspace) -> any StrategySession
  func begunAgain(in workspace: Workspace, recorder: DecisionRecorder) -> any StrategySession
}

extension AttentionSession: RepeatableSession {
  func begunAgain(in workspace: Workspace) -> any StrategySession {
    AttentionSession(strategy, shape: shape, workspace: workspace)
  }

  func begunAgain(in workspace: Workspace, recorder: DecisionRecorder) -> any StrategySession {
    AttentionSession<RecordingStrategy<Strategy>>(
      RecordingStrategy(strategy, recorder: recorder), shape: shape, workspace: workspace)
  }
}
