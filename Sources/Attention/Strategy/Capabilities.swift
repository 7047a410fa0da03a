import Tensors

/// Chooses what the queries of a prompt attend to.
public protocol SelectsInPrefill<State>: AttentionStrategy {
  /// Chooses what the prompt queries at the positions `queries` attend to: one selection per query
  /// head. `selections` arrives as `.everything` for each head. The view shows the whole prompt.
  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State)

  /// Whether one selection serves the whole prompt (the default) or each block of queries has its
  /// own.
  var prefillGranularity: PrefillGranularity { get }

  /// Whether later prompt tokens decide what earlier queries see; false by default.
  var selectionLooksAhead: Bool { get }
}

/// Chooses what decode queries attend to.
public protocol SelectsInDecode<State>: AttentionStrategy {
  /// Chooses what this step's queries attend to among the tokens that the cache holds: one
  /// selection per query head. `selections` arrives as `.everything` for each head.
  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State)

  /// What it makes, as a part of a composition, of tokens that another part moved to a cold tier;
  /// `.unseen` by default.
  var coldTokens: ColdTokens { get }
}

/// What a choice for decode queries makes of the tokens of a cold tier.
public enum ColdTokens: Sendable, Hashable {
  /// It ranks or counts the slots of a cache, which are of tokens held exactly: cold ones that lie
  /// between chosen ones come along, and others are left out, without having been looked at.
  case unseen
  /// It goes by positions alone, whatever holds their tokens.
  case alike
  /// It chooses among them, and leaves out no others.
  case chosen
}

/// Reads most tokens only coarsely in decode, where the cache's format allows that (`nested`).
///
/// By default it selects everything: what it does is a matter of reading.
public protocol Skims<State>: SelectsInDecode {
  /// Tokens with a larger share of a query head's attention are read whole, from 0 (all) to 1; of the others the attention
  /// goes by the highest bits of their keys, and so do their values.
  var exactAbove: Double { get }
}

extension Skims {
  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {}
}

/// Decides which tokens the KV cache keeps.
public protocol Retains<State>: AttentionStrategy {
  /// Chooses what each KV head keeps: one selection per KV head, its window taken at the newest
  /// query. `kept` arrives as `.everything`. After the prompt (the view's phase is `.prefill`) its
  /// queries are the prompt's; in decode there is only the newest one, or ``queriesForRetention``.
  ///
  /// A strategy that lets steps be taken together although a retention is due between them is asked
  /// for each of these only to count what would have stayed; its choice then may depend on positions
  /// alone.
  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State)

  /// Whether tokens leave the cache before the query at `position` attends. Asked once after the
  /// prompt (`phase` is `.prefill`) and before every decode step (`.decode`), including the first.
  /// By default only after the prompt.
  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool

  /// The same where it depends on what is remembered of the sequence; by default it does not.
  func retentionIsDue(before position: Int, phase: AttentionPhase, state: State) -> Bool

  /// How many of the newest queries a retention in decode is shown; 1 by default. Those beyond the
  /// first count as part of the cache.
  var queriesForRetention: Int { get }
}

/// Holds some of the retained tokens in few bits.
public protocol HasColdTier<State>: Retains {
  /// In how many bits; nil if a parameter turns the cold tier off.
  var coldFormat: ColdFormat? { get }

  /// Chooses, right after `selectForRetention`, which of the retained tokens are held exactly: one
  /// selection per KV head, its window taken at the newest query. `exact` arrives as what that call
  /// kept and must remain a subset of it; tokens kept but not exact move to the cold tier, in whole
  /// pages after those already there, and stay. Called only if there is a `coldFormat`.
  func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State)
}

/// Holds some of the retained tokens by their highest bits alone, where the cache's format allows that (`nested`).
public protocol Coarsens<State>: Retains {
  /// Chooses, right after `selectForRetention`, which of the retained tokens keep all their bits: one selection per KV head,
  /// its window taken at the newest query. `whole` arrives as what that call kept. Bits that were given up do not come back.
  func selectWhole(_ layer: LayerView, into whole: inout HeadSelections, state: inout State)
}

/// Is shown what enters the cache before anything is selected.
public protocol Observes<State>: AttentionStrategy {
  /// Called with the whole prompt, and with each decode step.
  func observe(_ layer: LayerView, state: inout State)
}

/// Has to be told what follows a prompt: an oracle, not a method.
public protocol ReadsFuture<State>: AttentionStrategy {
  /// The states of all layers for a sequence in which `future` follows the prompt. Called before
  /// the prompt.
  func states(foreseeing future: FutureAttention, shape: AttentionShape) -> [State]
}

/// Remembers in one phase what it needs in another.
///
/// As part of a composition, a strategy is called only in its own phase, unless it conforms to
/// this: then it follows the other phases as it would on its own, and its choices there are
/// discarded.
public protocol RemembersOtherPhases: AttentionStrategy {}

/// Is composed of other strategies.
public protocol HasParts: AttentionStrategy {
  /// In the order of the phases.
  var parts: [StrategyPart] { get set }
}

extension SelectsInPrefill {
  public var prefillGranularity: PrefillGranularity { .wholePrompt }
  public var selectionLooksAhead: Bool { false }
}

extension SelectsInDecode {
  public var coldTokens: ColdTokens { .unseen }
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}

extension Retains {
  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    phase == .prefill
  }
  public func retentionIsDue(before position: Int, phase: AttentionPhase, state: State) -> Bool {
    retentionIsDue(before: position, phase: phase)
  }
  public var queriesForRetention: Int { 1 }
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}

extension Retains where Self: SelectsInDecode {
  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}
