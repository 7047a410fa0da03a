import Records
import Tensors

/// One attention method with its parameters: it *selects*; the framework attends, compacts, counts
/// and measures.
///
/// A strategy says what it is (`about`), declares its parameters (``Parameter``), and conforms to
/// the capabilities it has: ``SelectsInPrefill``, ``SelectsInDecode``, ``Retains``,
/// ``HasColdTier``, ``Coarsens``, ``Skims``, ``Observes``, ``ReadsFuture``. Listing, validation, phases, reports and the
/// checker all follow from that. A method that scores each cached token is shorter to write as a
/// ``Scorer``.
///
/// A strategy is a value shared by all sequences. What it must remember about one layer of one
/// sequence lives in its `State`, which the framework creates, carries along and discards.
public protocol AttentionStrategy: Decodable, Hashable, Sendable {
  associatedtype State: StrategyState = NoState

  static var about: StrategyFacts { get }

  /// Every parameter at its default.
  init()

  /// Throws if parameters contradict each other or the shape; their ranges have already been
  /// checked.
  func check(for shape: AttentionShape) throws(ConfigurationError)

  func makeState(layer: Int, shape: AttentionShape) -> State

  /// How many tokens from `position` on may be decoded in one step with the same result as one by
  /// one: no retention and no new selection between them. At least 1, the default for strategies
  /// that select or retain in decode.
  func queriesDecodedTogether(from position: Int) -> Int

  /// The same where it depends on what is remembered of the sequence; by default it does not.
  func queriesDecodedTogether(from position: Int, state: State) -> Int

  /// Where queries see keys, if not at the positions the keys were written with; nil for most
  /// strategies.
  ///
  /// Selections must then consist of the first `sinks` tokens and a window of `localWindow`, or of
  /// everything for prompt queries that this does not apply to. Without a known rotary embedding it
  /// changes nothing.
  var cachePositions: CachePositions? { get }
}

/// What a strategy remembers about one layer of one sequence.
public protocol StrategyState: Sendable {
  /// Bytes held for cached tokens besides their keys and values: page bounds, accumulated scores,
  /// chosen runs. They count as part of the KV cache; scratch memory that is gone after a call does
  /// not.
  var cacheBytes: Int { get }
}

/// The state of a strategy that remembers nothing.
public struct NoState: StrategyState {
  public init() {}
  public var cacheBytes: Int { 0 }
}

/// What a strategy declares about itself besides its parameters.
public struct StrategyFacts: Sendable, Hashable {
  /// The word in a spec: `streaming-llm`.
  public var name: String
  /// One sentence for people.
  public var summary: String
  /// What it stands for in a comparison.
  public var role: StrategyRole
  public var fidelity: Fidelity
  /// Paper or repository, for a citation.
  public var source: String
  /// What was decided where the source is silent or was not at hand, a sentence each.
  public var choices: [String]
  /// The budget forms it accepts; empty if it takes none.
  public var budgets: [BudgetForm]
  /// The phases whose choices a budget limits; nil means those it acts in.
  public var budgetPhases: [StrategyPhase]?

  public init(
    _ name: String, _ summary: String, _ fidelity: Fidelity, role: StrategyRole = .method,
    source: String, choices: [String] = [], budgets: [BudgetForm] = [],
    budgetPhases: [StrategyPhase]? = nil
  ) {
    self.name = name
    self.summary = summary
    self.role = role
    self.fidelity = fidelity
    self.source = source
    self.choices = choices
    self.budgets = budgets
    self.budgetPhases = budgetPhases
  }
}

extension AttentionStrategy {
  /// The defaults, changed: `SnapKV { $0.kernel = 7 }`.
  public init(_ change: (inout Self) throws -> Void) rethrows {
    self.init()
    try change(&self)
  }

  public func check(for shape: AttentionShape) throws(ConfigurationError) {}

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func queriesDecodedTogether(from position: Int, state: State) -> Int {
    queriesDecodedTogether(from: position)
  }

  public var cachePositions: CachePositions? { nil }

  /// What listing, validation and reports need to know about it.
  public static var description: StrategyDescription { Self().description }

  /// The same, once the parameters are known.
  public var description: StrategyDescription {
    let about = Self.about
    return StrategyDescription(
      name: about.name, summary: about.summary, role: role, phases: phases,
      parameters: ParameterDescription.declared(by: self), budgets: about.budgets,
      budgetPhases: about.budgetPhases, selectionLooksAhead: looksAhead, readsFuture: readsFuture,
      fidelity: about.fidelity, source: about.source, choices: about.choices)
  }

  /// The phases it acts in, which follow from its capabilities.
  public var phases: [StrategyPhase] {
    if let composed = self as? any HasParts {
      return composed.parts.isEmpty ? StrategyPhase.allCases : composed.parts.map(\.phase)
    }
    return [
      self is any SelectsInPrefill ? .prefill : nil, self is any SelectsInDecode ? .decode : nil,
      self is any Retains ? .retention : nil,
    ].compactMap { $0 }
  }

  /// Whether a selection made once from the whole prompt decides what earlier queries see.
  public var looksAhead: Bool {
    if let composed = self as? any HasParts {
      return composed.parts.contains { $0.phase == .prefill && $0.strategy.looksAhead }
    }
    return (self as? any SelectsInPrefill)?.selectionLooksAhead ?? false
  }

  /// What it stands for in a comparison: a composition with an oracle is one.
  public var role: StrategyRole {
    let isOracle = (self as? any HasParts)?.parts.contains { $0.strategy.role == .oracle }
    return isOracle == true ? .oracle : Self.about.role
  }

  /// Whether it has to be told what follows the prompt: an oracle.
  public var readsFuture: Bool {
    if let composed = self as? any HasParts {
      return composed.parts.contains { $0.strategy.readsFuture }
    }
    return self is any ReadsFuture
  }
}

extension AttentionStrategy where State == NoState {
  public func makeState(layer: Int, shape: AttentionShape) -> NoState { NoState() }
}
