import Tensors

/// The work on a layer with a window of its own: it attends within the window and keeps nothing
/// older, whatever the strategy does elsewhere.
final class WindowWork: LayerWork {
  private let window: FirstAndRecent
  let exactAbove: Double?

  /// - Parameters:
  ///   - window: a query at q sees the keys at k with q − k < window; at least 1.
  ///   - skims: whether other layers are read coarsely: then this one is read in the same way, and all of it whole.
  init(window: Int, skims: Bool) {
    self.window = FirstAndRecent(first: 0, recent: window)
    exactAbove = skims ? 0 : nil
  }

  func observe(_ layer: LayerView) {}

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections
  ) { selections.fill(with: window.attended) }

  func selectForDecode(_ layer: LayerView, into selections: inout HeadSelections) {
    selections.fill(with: window.attended)
  }

  func selectForRetention(_ layer: LayerView, into kept: inout HeadSelections) {
    kept.fill(with: window.kept)
  }

  func selectForColdTier(_ layer: LayerView, into exact: inout HeadSelections) {}

  func selectWhole(_ layer: LayerView, into whole: inout HeadSelections) {}

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    window.leavesOut(before: position)
  }

  /// One selection with a sliding window serves any number of steps.
  func queriesDecodedTogether(from position: Int) -> Int { .max }

  var queriesForRetention: Int { 1 }
  var prefillGranularity: PrefillGranularity { .wholePrompt }
  var coldFormat: ColdFormat? { nil }
  var coarsens: Bool { false }
  var cacheBytes: Int { 0 }
  var remembered: Any { () }
}
