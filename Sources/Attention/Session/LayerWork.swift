import Tensors

/// A strategy with what it remembers about one layer of one sequence, type-erased: it acts where it
/// has the capability and does nothing elsewhere.
protocol LayerWork: AnyObject {
  /// Shows the strategy what entered the cache.
  func observe(_ layer: LayerView)
  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections)
  func selectForDecode(_ layer: LayerView, into selections: inout HeadSelections)
  func selectForRetention(_ layer: LayerView, into kept: inout HeadSelections)
  func selectForColdTier(_ layer: LayerView, into exact: inout HeadSelections)
  func selectWhole(_ layer: LayerView, into whole: inout HeadSelections)
  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool
  func queriesDecodedTogether(from position: Int) -> Int
  /// How many of the newest queries a retention in decode is shown.
  var queriesForRetention: Int { get }
  var prefillGranularity: PrefillGranularity { get }
  var coldFormat: ColdFormat? { get }
  /// Whether it has anything to say in ``selectWhole(_:into:)``.
  var coarsens: Bool { get }
  /// See ``Skims``; nil to read all whole.
  var exactAbove: Double? { get }
  var cacheBytes: Int { get }
  /// What it remembers, for inspection.
  var remembered: Any { get }
}

/// The work of a strategy of a known type.
final class TypedWork<Strategy: AttentionStrategy>: LayerWork {
  private let strategy: Strategy
  private var state: Strategy.State
  private let observing: (any Observes<Strategy.State>)?
  private let prefill: (any SelectsInPrefill<Strategy.State>)?
  private let decode: (any SelectsInDecode<Strategy.State>)?
  private let retention: (any Retains<Strategy.State>)?
  let exactAbove: Double?
  private let cold: (any HasColdTier<Strategy.State>)?
  private let coarse: (any Coarsens<Strategy.State>)?

  init(_ strategy: Strategy, state: Strategy.State) {
    self.strategy = strategy
    self.state = state
    observing = strategy as? any Observes<Strategy.State>
    prefill = strategy as? any SelectsInPrefill<Strategy.State>
    decode = strategy as? any SelectsInDecode<Strategy.State>
    retention = strategy as? any Retains<Strategy.State>
    exactAbove = (strategy as? any Skims)?.exactAbove
    cold = strategy as? any HasColdTier<Strategy.State>
    coarse = strategy as? any Coarsens<Strategy.State>
  }

  var cacheBytes: Int { state.cacheBytes }

  var remembered: Any { state }

  var prefillGranularity: PrefillGranularity { prefill?.prefillGranularity ?? .wholePrompt }

  var coldFormat: ColdFormat? { cold?.coldFormat }

  var coarsens: Bool { coarse != nil }

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    retention?.retentionIsDue(before: position, phase: phase, state: state) ?? false
  }

  func queriesDecodedTogether(from position: Int) -> Int {
    strategy.queriesDecodedTogether(from: position, state: state)
  }

  var queriesForRetention: Int { retention?.queriesForRetention ?? 1 }

  func observe(_ layer: LayerView) { observing?.observe(layer, state: &state) }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections
  ) {
    prefill?.selectForPrefill(layer, queries: queries, into: &selections, state: &state)
  }

  func selectForDecode(_ layer: LayerView, into selections: inout HeadSelections) {
    decode?.selectForDecode(layer, into: &selections, state: &state)
  }

  func selectForRetention(_ layer: LayerView, into kept: inout HeadSelections) {
    retention?.selectForRetention(layer, into: &kept, state: &state)
  }

  func selectForColdTier(_ layer: LayerView, into exact: inout HeadSelections) {
    cold?.selectForColdTier(layer, into: &exact, state: &state)
  }

  func selectWhole(_ layer: LayerView, into whole: inout HeadSelections) {
    coarse?.selectWhole(layer, into: &whole, state: &state)
  }
}

extension AttentionStrategy {
  /// Its work on each layer of a new sequence.
  ///
  /// - Parameter future: what follows the prompt; nil for a sequence about which nothing is known.
  func makeWork(shape: AttentionShape, future: FutureAttention?) -> [any LayerWork] {
    if let composed = self as? any HasParts {
      let parts = composed.parts.map { part in
        (part.phase, part.strategy, part.strategy.makeWork(shape: shape, future: future))
      }
      return (0..<shape.layers).map { layer in
        ComposedWork(parts.map { ComposedWork.Part(phase: $0, strategy: $1, work: $2[layer]) })
      }
    }
    if let future, let oracle = self as? any ReadsFuture<State> {
      return oracle.states(foreseeing: future, shape: shape).map { TypedWork(self, state: $0) }
    }
    return (0..<shape.layers).map {
      TypedWork(self, state: makeState(layer: $0, shape: shape))
    }
  }
}
