import Records
import Tensors

/// One attention method with its parameters: it *selects*; the framework attends, compacts, counts and measures.
///
/// A strategy says what it is (`about`), declares its parameters (``Parameter``), and conforms to the capabilities that
/// it means: ``SelectsInPrefill``, ``SelectsInDecode``, ``Retains``, ``HasColdTier``, ``Observes``, ``ReadsFuture``.
/// Listing, validation, phases, reports and the checker follow from that. A method that gives each cached token a score
/// is shorter as a ``Scorer``.
///
/// A strategy is a value that all sequences share. What it must remember of one layer of one sequence lives in its
/// `State`, which the framework makes, carries and throws away.
public protocol AttentionStrategy: Decodable, Hashable, Sendable {
  associatedtype State: StrategyState = NoState

  static var about: StrategyFacts { get }

  /// Every parameter at its default.
  init()

  /// Throws where parameters contradict each other or the shape; their ranges have been checked.
  func check(for shape: AttentionShape) throws(ConfigurationError)

  func makeState(layer: Int, shape: AttentionShape) -> State

  /// How many tokens from `position` on may be decoded in one step with the same result as one by one: no retention and
  /// no new selection between them. At least 1, which is the default of what selects or retains in decode.
  func queriesDecodedTogether(from position: Int) -> Int

  /// Where queries see keys, if not at the positions that the keys were written with; nil for most.
  ///
  /// Selections must then show the first `sinks` tokens and a window of `localWindow`, or everything to prompt queries
  /// for which this does not act. Without a known rotation it changes nothing.
  var cachePositions: CachePositions? { get }
}

/// What a strategy remembers of one layer of one sequence.
public protocol StrategyState: Sendable {
  /// Bytes that are held for the tokens of the cache beside keys and values: bounds of pages, carried scores, chosen
  /// runs. They count as part of the KV cache; scratch that is gone after a call does not.
  var cacheBytes: Int { get }
}

/// The state of a strategy that remembers nothing.
public struct NoState: StrategyState {
  public init() {}
  public var cacheBytes: Int { 0 }
}

/// What a strategy says of itself beside its parameters.
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
  /// The budget forms that it accepts; empty where it takes none.
  public var budgets: [BudgetForm]
  /// The phases whose choices a budget bounds; nil: those in which it acts.
  public var budgetPhases: [StrategyPhase]?

  public init(
    _ name: String, _ summary: String, _ fidelity: Fidelity, role: StrategyRole = .method,
    source: String, budgets: [BudgetForm] = [], budgetPhases: [StrategyPhase]? = nil
  ) {
    self.name = name
    self.summary = summary
    self.role = role
    self.fidelity = fidelity
    self.source = source
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

  public var cachePositions: CachePositions? { nil }

  /// What listing, validation and reports need to know of it.
  public static var description: StrategyDescription { Self().description }

  /// The same, once the parameters are known.
  public var description: StrategyDescription {
    let about = Self.about
    return StrategyDescription(
      name: about.name, summary: about.summary, role: role, phases: phases,
      parameters: ParameterDescription.declared(by: self), budgets: about.budgets,
      budgetPhases: about.budgetPhases, selectionLooksAhead: looksAhead, readsFuture: readsFuture,
      fidelity: about.fidelity, source: about.source)
  }

  /// The phases in which it acts, by the capabilities that it has.
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
