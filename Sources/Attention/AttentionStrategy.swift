import Records
import Tensors

/// One attention method with its configuration: it *selects*; the framework attends, compacts, counts and measures.
///
/// Every requirement but the first three has a default that keeps all keys and no state. A strategy is a value that
/// is shared by all sequences; what it must remember of one sequence and layer lives in its `State`, which the
/// framework makes, carries and throws away.
public protocol AttentionStrategy: Sendable {
  /// The parameters, under the names of `description.parameters`; every key is present when it is decoded.
  associatedtype Configuration: Codable & Hashable & Sendable
  associatedtype State: Sendable = NoState

  static var description: StrategyDescription { get }

  /// Throws where the parameters contradict each other or the shape.
  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError)

  func makeState(layer: Int) -> State

  /// Whether it has to be told what follows the prompt: an oracle.
  var readsFuture: Bool { get }

  /// The same strategy for one sequence, told what follows its prompt. Asked before the prompt, where `readsFuture`.
  func reading(_ future: FutureAttention) -> Self

  /// Whether the logits of attended keys are those of dense attention.
  ///
  /// False for keys at positions other than those they were written with (positions counted in the cache), for sampled
  /// weights and for quantised keys. The log-sum-exp of such logits says nothing of the dense attention mass, so dropped
  /// mass and its bound are not measured. The checker holds a strategy that says true to it.
  var logitsAreDense: Bool { get }

  /// Where queries see keys, if not at the positions that the keys were written with; nil for most.
  ///
  /// Selections must then show the first `sinks` tokens and a window of `localWindow`, or everything to prompt queries
  /// for which this does not act. Without a known rotation it changes nothing.
  var cachePositions: CachePositions? { get }

  /// Whether one selection serves the whole prompt or each block of queries has its own.
  var prefillGranularity: PrefillGranularity { get }

  /// Chooses what the prompt queries at the positions `queries` attend to: one selection per query head.
  /// `selections` arrives as `.everything` for each head. The view shows the whole prompt.
  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace)

  /// How many tokens from `position` on may be decoded in one step with the same result as one by one: no
  /// retention and no new selection between them. At least 1.
  func queriesDecodedTogether(from position: Int) -> Int

  /// Chooses what this step's queries attend to among the tokens the cache holds: one selection per query head.
  /// `selections` arrives as `.everything` for each head.
  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace)

  /// Whether tokens leave the cache before the query at `position` attends. Asked once when the prompt has been
  /// attended (`phase` is `.prefill`), and before every decode step (`.decode`), the first one included.
  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool

  /// Chooses what each KV head keeps: one selection per KV head, its window taken at the newest query.
  /// `kept` arrives as `.everything`. The view's phase is the one that was asked for; its queries are the prompt's,
  /// or, in decode, the newest one alone.
  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace)

  /// Whether what it does in one phase depends on what it was shown in another. By default a strategy with a state
  /// does. As a part of a composition, one that does not is left alone outside of its own phase.
  var remembersOtherPhases: Bool { get }

  /// Bytes that a state holds for each cached token beside keys and values: bounds of pages, scores that are carried
  /// along. They count as part of the KV cache; scratch does not.
  func cacheBytes(of state: State) -> Int

  /// In how many bits the cold tier holds tokens; nil without one.
  var coldFormat: ColdFormat? { get }

  /// Chooses, right after `selectForRetention`, which of the tokens that stay are held exactly: one selection per KV
  /// head, its window taken at the newest query. `exact` arrives as what that call kept, and is to be a part of it; what
  /// is kept and not exact moves to the cold tier, in whole pages that follow those in it, and stays. Asked only with
  /// a `coldFormat`.
  func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State,
    workspace: Workspace)
}

/// The state of a strategy that remembers nothing.
public struct NoState: Sendable {
  public init() {}
}

/// How finely a strategy selects in prefill.
public enum PrefillGranularity: Sendable, Hashable {
  /// One selection per query head for all prompt queries.
  case wholePrompt
  /// One per block of `size` queries, the blocks counted from the first or up to the last token.
  case queryBlock(of: Int, from: BlockOrigin)
  /// One for the last `size` queries and one for all before them.
  case lastQueriesApart(Int)

  public enum BlockOrigin: Sendable, Hashable { case firstToken, lastToken }

  /// The blocks of a prompt of `count` queries, ascending.
  public func blocks(of count: Int) -> [Range<Int>] {
    if case .lastQueriesApart(let size) = self, size > 0, size < count {
      return [0..<count - size, count - size..<count]
    }
    guard count > 0, case .queryBlock(let size, let origin) = self else { return [0..<count] }
    let remainder = origin == .lastToken ? count % size : 0
    let first = remainder > 0 ? [0..<remainder] : []
    return first
      + stride(from: remainder, to: count, by: size).map { $0..<min($0 + size, count) }
  }
}

extension AttentionStrategy where State == NoState {
  public func makeState(layer: Int) -> NoState { NoState() }
}

extension AttentionStrategy {
  public var readsFuture: Bool { Self.description.readsFuture }

  public func reading(_ future: FutureAttention) -> Self { self }

  public var logitsAreDense: Bool { true }

  public var cachePositions: CachePositions? { nil }

  public var prefillGranularity: PrefillGranularity { .wholePrompt }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {}

  public func queriesDecodedTogether(from position: Int) -> Int { 1 }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {}

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { false }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {}

  public var remembersOtherPhases: Bool { State.self != NoState.self }

  public func cacheBytes(of state: State) -> Int { 0 }

  public var coldFormat: ColdFormat? { nil }

  public func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {}
}

/// Parameters that contradict each other or the model.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  /// The parameter at fault.
  public var parameter: String
  public var message: String

  public init(_ parameter: String, _ message: String) {
    self.parameter = parameter
    self.message = message
  }

  public var description: String { "\(parameter): \(message)" }
}
