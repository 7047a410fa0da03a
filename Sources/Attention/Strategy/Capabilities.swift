import Tensors

/// Chooses what the queries of a prompt attend to.
public protocol SelectsInPrefill<State>: AttentionStrategy {
  /// Chooses what the prompt queries at the positions `queries` attend to: one selection per query head.
  /// `selections` arrives as `.everything` for each head. The view shows the whole prompt.
  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State)

  /// Whether one selection serves the whole prompt (the default) or each block of queries has its own.
  var prefillGranularity: PrefillGranularity { get }

  /// Whether later prompt tokens decide what earlier queries see; false by default.
  var selectionLooksAhead: Bool { get }
}

/// Chooses what decode queries attend to.
public protocol SelectsInDecode<State>: AttentionStrategy {
  /// Chooses what this step's queries attend to among the tokens that the cache holds: one selection per query head.
  /// `selections` arrives as `.everything` for each head.
  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State)
}

/// Decides which tokens the KV cache keeps.
public protocol Retains<State>: AttentionStrategy {
  /// Chooses what each KV head keeps: one selection per KV head, its window taken at the newest query.
  /// `kept` arrives as `.everything`. The view's phase is the one that was asked for; its queries are the prompt's,
  /// or, in decode, the newest one alone.
  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State)

  /// Whether tokens leave the cache before the query at `position` attends. Asked once when the prompt has been attended
  /// (`phase` is `.prefill`), and before every decode step (`.decode`), the first one included. By default once, after
  /// the prompt.
  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool
}

/// Holds some of the tokens that stay in few bits.
public protocol HasColdTier<State>: Retains {
  /// In how many bits; nil where a parameter does without.
  var coldFormat: ColdFormat? { get }

  /// Chooses, right after `selectForRetention`, which of the tokens that stay are held exactly: one selection per KV
  /// head, its window taken at the newest query. `exact` arrives as what that call kept, and is to be a part of it; what
  /// is kept and not exact moves to the cold tier, in whole pages that follow those in it, and stays. Asked only with a
  /// `coldFormat`.
  func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State)
}

/// Takes note of what enters the cache, before anything is selected.
public protocol Observes<State>: AttentionStrategy {
  /// Called with the whole prompt, and with each decode step.
  func observe(_ layer: LayerView, state: inout State)
}

/// Has to be told what follows a prompt: an oracle, no method.
public protocol ReadsFuture<State>: AttentionStrategy {
  /// The states of all layers for a sequence whose prompt `future` follows. Asked before the prompt.
  func states(foreseeing future: FutureAttention, shape: AttentionShape) -> [State]
}

/// Remembers in a phase what it needs in another.
///
/// As a part of a composition a strategy is left alone outside of its own phase, unless it is one of these: then it
/// watches the other phases as it would alone, and its choices there are thrown away.
public protocol RemembersOtherPhases: AttentionStrategy {}

/// Is made of other strategies.
public protocol HasParts: AttentionStrategy {
  /// In the order of the phases.
  var parts: [StrategyPart] { get set }
}

extension SelectsInPrefill {
  public var prefillGranularity: PrefillGranularity { .wholePrompt }
  public var selectionLooksAhead: Bool { false }
}

extension SelectsInDecode {
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}

extension Retains {
  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    phase == .prefill
  }
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}

extension Retains where Self: SelectsInDecode {
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}
