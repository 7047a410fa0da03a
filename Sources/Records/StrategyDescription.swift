import JSON

/// What a strategy says of itself: all that listing, validation and reports need to know of it.
public struct StrategyDescription: Codable, Sendable, Hashable {
  /// The word in a spec: `streaming-llm`.
  public var name: String
  /// One sentence for people.
  public var summary: String
  /// What it stands for in a comparison.
  public var role: StrategyRole
  /// Where it acts.
  public var phases: [StrategyPhase]
  public var parameters: [ParameterDescription]
  /// The budget forms it accepts; empty where it takes none.
  public var budgets: [BudgetForm]
  /// The phases whose choices a budget bounds: those it acts in, unless it says less.
  public var budgetPhases: [StrategyPhase]
  /// True where a selection made once from the whole prompt decides what earlier queries see.
  public var selectionLooksAhead: Bool
  /// True for an oracle that is told what follows the prompt.
  public var readsFuture: Bool
  public var fidelity: Fidelity
  /// Paper or repository, for a citation.
  public var source: String
  /// What was decided where the source is silent or was not at hand, a sentence each.
  public var choices: [String]

  public init(
    name: String, summary: String, role: StrategyRole = .method, phases: [StrategyPhase],
    parameters: [ParameterDescription], budgets: [BudgetForm] = [],
    budgetPhases: [StrategyPhase]? = nil, selectionLooksAhead: Bool = false,
    readsFuture: Bool = false, fidelity: Fidelity, source: String, choices: [String] = []
  ) {
    self.name = name
    self.summary = summary
    self.role = role
    self.phases = phases
    self.parameters = parameters
    self.budgets = budgets
    self.budgetPhases = budgetPhases ?? phases
    self.selectionLooksAhead = selectionLooksAhead
    self.readsFuture = readsFuture
    self.fidelity = fidelity
    self.source = source
    self.choices = choices
  }
}

/// What a strategy stands for in a comparison.
public enum StrategyRole: String, Codable, Sendable, Hashable, CaseIterable {
  /// Dense attention: what all others are compared with.
  case reference
  /// A method that could be used in practice.
  case method
  /// What a method has to beat to be worth its effort, such as a choice by chance.
  case control
  /// Knows what no method can know: a bound on what methods can reach, never one of them.
  case oracle
}

public enum StrategyPhase: String, Codable, Sendable, Hashable, CaseIterable {
  /// Chooses what prompt queries attend to.
  case prefill
  /// Chooses what decode queries attend to.
  case decode
  /// Decides which tokens the KV cache keeps.
  case retention
}

public enum Fidelity: String, Codable, Sendable, Hashable {
  /// Follows the source in every detail that its documentation comment lists.
  case faithful
  /// Differs as its documentation comment says.
  case simplified
  /// Written without the source's code or full text at hand: its choices say what was filled in.
  case reconstructed
  /// Our own method.
  case own
  /// No method: a bound on what methods can reach.
  case oracle
}

/// The ways a spec may state a budget.
public enum BudgetForm: String, Codable, Sendable, Hashable, CaseIterable {
  case fraction, tokens, bytes, meanKvBytes, density, mass, matching
}

/// One parameter of a strategy or task: name, what it means, what it may be, and its default.
public struct ParameterDescription: Codable, Sendable, Hashable {
  public var name: String
  public var summary: String
  public var kind: ParameterKind
  /// The value used where a spec says nothing; null where it is worked out at run time (the summary says how).
  public var defaultValue: JSONValue
  /// A size (window, capacity) that a budget sets instead: a spec gives one or the other.
  public var isReplacedByBudget: Bool
  /// A spec has to say it; the default value then is null.
  public var isRequired: Bool
  /// Whether prompts are worked on in blocks of that many tokens: sizes around it are worth a check.
  public var isBlockSize: Bool
  /// Whether the default goes without saying in cells and their identities: for a parameter that came
  /// when cells had been measured without it.
  public var isLeftOutAtDefault: Bool
  /// Whether labels say its value wherever an experiment's strategies of that name differ in it, even one
  /// that most of them have.
  public var isAnchor: Bool

  public init(
    _ name: String, _ kind: ParameterKind, default value: JSONValue, _ summary: String,
    isReplacedByBudget: Bool = false, isRequired: Bool = false, isBlockSize: Bool = false,
    isLeftOutAtDefault: Bool = false, isAnchor: Bool = false
  ) {
    self.name = name
    self.kind = kind
    defaultValue = value
    self.summary = summary
    self.isReplacedByBudget = isReplacedByBudget
    self.isRequired = isRequired
    self.isBlockSize = isBlockSize
    self.isLeftOutAtDefault = isLeftOutAtDefault
    self.isAnchor = isAnchor
  }
}

/// What values a parameter accepts. Bounds are inclusive; nil means unbounded.
public enum ParameterKind: Codable, Sendable, Hashable {
  case integer(minimum: Int?, maximum: Int?)
  case number(minimum: Double?, maximum: Double?)
  case boolean
  case string
  case choice([String])
  /// One of some words for all parts of a thing, or an object with one for each part.
  case choices(parts: [String], [String])
  /// A list by nature (`depths`, `heads`): stays one value, never an axis of the grid.
  indirect case list(of: ParameterKind)
  /// Another strategy that acts in this phase, as a spec writes it: its name, parameters and budget in one object.
  case strategy(StrategyPhase)
}

extension ParameterDescription {
  /// Whether a value goes without saying.
  public func leavesOut(_ value: JSONValue) -> Bool { isLeftOutAtDefault && value == defaultValue }

  /// The phase in which the strategy that is this parameter's value acts; nil for plain values.
  public var partPhase: StrategyPhase? {
    if case .strategy(let phase) = kind { phase } else { nil }
  }
}

extension StrategyDescription {
  /// Whether strategies can be parts of it.
  public var hasParts: Bool { parameters.contains { $0.partPhase != nil } }

  /// Whether it can stand where a strategy is asked for that acts in `phase`: it acts there, and has no parts itself.
  public func fits(_ phase: StrategyPhase) -> Bool { phases.contains(phase) && !hasParts }
}
