import Records
import Tensors

/// The parts of a composition at work on one layer of one sequence.
final class ComposedWork: LayerWork {
  struct Part {
    let phase: StrategyPhase
    let work: any LayerWork
    /// Whether it follows phases other than its own.
    let remembers: Bool

    init(phase: StrategyPhase, strategy: any AttentionStrategy, work: any LayerWork) {
      self.phase = phase
      self.work = work
      remembers = strategy is any RemembersOtherPhases
    }
  }

  private var parts: [Part]

  init(_ parts: [Part]) { self.parts = parts }

  private func part(in phase: StrategyPhase) -> (any LayerWork)? {
    parts.first { $0.phase == phase }?.work
  }

  var cacheBytes: Int { parts.reduce(0) { $0 + $1.work.cacheBytes } }

  var remembered: Any { parts.map(\.work.remembered) }

  var prefillGranularity: PrefillGranularity {
    part(in: .prefill)?.prefillGranularity ?? .wholePrompt
  }

  var exactAbove: Double? { part(in: .decode)?.exactAbove }

  var coldFormat: ColdFormat? { part(in: .retention)?.coldFormat }

  var coarsens: Bool { part(in: .retention)?.coarsens ?? false }

  func observe(_ layer: LayerView) {
    for part in parts where part.phase != .prefill || layer.phase == .prefill {
      part.work.observe(layer)
    }
  }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections
  ) {
    let isFirstBlock = queries.lowerBound == layer.firstQueryPosition
    for part in parts {
      if part.phase == .prefill {
        part.work.selectForPrefill(layer, queries: queries, into: &selections)
      } else if part.remembers && isFirstBlock {
        watchPrefill(part.work, layer)
      }
    }
    // No later phase asks the part of the prompt, so what it remembers goes with it.
    if queries.upperBound > layer.newestQuery { parts.removeAll { $0.phase == .prefill } }
  }

  /// With the granularity the strategy would use on its own; its choices are discarded.
  private func watchPrefill(_ work: any LayerWork, _ layer: LayerView) {
    let first = layer.firstQueryPosition
    for block in work.prefillGranularity.blocks(of: layer.queryCount) {
      var unused = HeadSelections(heads: layer.shape.queryHeads)
      work.selectForPrefill(
        layer, queries: first + block.lowerBound..<first + block.upperBound, into: &unused)
    }
  }

  func selectForDecode(_ layer: LayerView, into selections: inout HeadSelections) {
    for part in parts {
      if part.phase == .decode {
        part.work.selectForDecode(layer, into: &selections)
      } else if part.phase == .retention && part.remembers {
        var unused = HeadSelections(heads: selections.count)
        part.work.selectForDecode(layer, into: &unused)
      }
    }
  }

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    parts.contains { isDue($0, before: position, phase: phase) }
  }

  /// Asks the retention part, and a decode part that relies on what it would have kept.
  private func isDue(_ part: Part, before position: Int, phase: AttentionPhase) -> Bool {
    switch part.phase {
    case .prefill: return false
    case .decode where !part.remembers: return false
    case .decode, .retention: return part.work.retentionIsDue(before: position, phase: phase)
    }
  }

  /// As many as the decode part allows, but not beyond the next retention, since no part hides what
  /// is about to be evicted.
  func queriesDecodedTogether(from position: Int) -> Int {
    var count = Self.mostTogether
    for part in parts where part.phase != .prefill {
      count = min(count, part.work.queriesDecodedTogether(from: position))
    }
    guard count > 1, let retention = part(in: .retention) else { return max(1, count) }
    return (1..<count).first { retention.retentionIsDue(before: position + $0, phase: .decode) }
      ?? count
  }

  /// Enough for any step that a forward pass takes.
  private static let mostTogether = 1024

  var queriesForRetention: Int { parts.map(\.work.queriesForRetention).max() ?? 1 }

  func selectForRetention(_ layer: LayerView, into kept: inout HeadSelections) {
    for part in parts where isDue(part, before: layer.newestQuery + 1, phase: layer.phase) {
      if part.phase == .retention {
        part.work.selectForRetention(layer, into: &kept)
      } else {
        watchRetention(part.work, layer)
      }
    }
  }

  /// All that the strategy would be asked for on its own, so that nothing waits for the rest; its
  /// choices are discarded.
  private func watchRetention(_ work: any LayerWork, _ layer: LayerView) {
    var unused = HeadSelections(heads: layer.shape.kvHeads)
    work.selectForRetention(layer, into: &unused)
    if work.coldFormat != nil { work.selectForColdTier(layer, into: &unused) }
    if work.coarsens { work.selectWhole(layer, into: &unused) }
  }

  func selectForColdTier(_ layer: LayerView, into exact: inout HeadSelections) {
    for part in parts
    where part.phase == .retention
      && isDue(part, before: layer.newestQuery + 1, phase: layer.phase)
    {
      part.work.selectForColdTier(layer, into: &exact)
    }
  }

  func selectWhole(_ layer: LayerView, into whole: inout HeadSelections) {
    part(in: .retention)?.selectWhole(layer, into: &whole)
  }
}
