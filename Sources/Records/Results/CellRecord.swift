import JSON

/// One cell of the grid: model x context length x strategy x task, with all that decides its results.
public struct CellRecord: Codable, Sendable, Hashable {
  /// SHA-256 over everything that decides the cell's results; see `docs/database.md`.
  public var identity: String
  /// The name that the spec gives the model, and the SHA-256 of its file.
  public var model: String
  public var modelDigest: String
  public var contextLength: Int
  public var strategy: String
  /// Every parameter that decides the result, defaults filled in, the budget as written in the spec.
  public var strategyParameters: JSONValue
  public var task: String
  /// `prefill` or `continuation` for perplexity; nil for tasks without protocols.
  public var taskProtocol: String?
  /// Every task parameter that decides the result, defaults filled in.
  public var taskParameters: JSONValue
  public var queryAware: Bool
  /// True where the strategy lets later prompt tokens choose what earlier queries see.
  public var selectionLooksAhead: Bool
  /// What the strategy stands for in a comparison; a strategy made of others is an oracle if one of them is.
  public var strategyRole: StrategyRole
  /// True where the strategy, or a part of it, is told what follows the prompt.
  public var readsFuture: Bool
  public var seed: Int

  public init(
    identity: String, model: String, modelDigest: String, contextLength: Int, strategy: String,
    strategyParameters: JSONValue, task: String, taskProtocol: String?, taskParameters: JSONValue,
    queryAware: Bool, selectionLooksAhead: Bool, strategyRole: StrategyRole = .method,
    readsFuture: Bool = false, seed: Int
  ) {
    self.identity = identity
    self.model = model
    self.modelDigest = modelDigest
    self.contextLength = contextLength
    self.strategy = strategy
    self.strategyParameters = strategyParameters
    self.task = task
    self.taskProtocol = taskProtocol
    self.taskParameters = taskParameters
    self.queryAware = queryAware
    self.selectionLooksAhead = selectionLooksAhead
    self.strategyRole = strategyRole
    self.readsFuture = readsFuture
    self.seed = seed
  }

  /// The format of the KV cache; that of cells which were measured before there was a choice goes without saying.
  /// Two formats, of keys and values, with a stroke between them.
  public var cache: String {
    guard let cache = strategyParameters["cache"] else { return "f32" }
    return cache.stringValue
      ?? ["keys", "values"].compactMap { cache[$0]?.stringValue }.joined(separator: "/")
  }

  /// The strategy's parameters, then those of each strategy that it is made of, with their `name`.
  public var parametersWithParts: [JSONValue] {
    let parts = (strategyParameters.objectValue ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    return [strategyParameters] + parts.filter { $0["name"]?.stringValue != nil }
  }
}

/// A cell as one experiment sees it.
public struct PlannedCell: Codable, Sendable, Hashable {
  public var cell: CellRecord
  /// The strategy's name, then what distinguishes it in this experiment: `tca threshold=0.9`.
  public var label: String
  /// The task's name, then what distinguishes it in this experiment: `ruler task=vt`; nil in results that were stored
  /// without it.
  public var taskLabel: String?
  /// The cell of `full` that this one is compared with; its own identity for `full`.
  public var fullIdentity: String
  /// The cell whose measured use this one's budget, or that of one of its parts, matches; of several the first.
  public var matchedIdentity: String?
  /// The cells whose use the budgets of its parts match, by the parameter that holds the part. What a run goes by; it
  /// is not stored.
  public var partReferences: [String: String]
  /// Greedy steps of a timing pass. They decide no result, so they are no part of the identity.
  public var decodeTokens: Int

  public init(
    cell: CellRecord, label: String, taskLabel: String? = nil, fullIdentity: String,
    matchedIdentity: String? = nil, partReferences: [String: String] = [:], decodeTokens: Int = 32
  ) {
    self.cell = cell
    self.label = label
    self.taskLabel = taskLabel
    self.fullIdentity = fullIdentity
    self.matchedIdentity = matchedIdentity
    self.partReferences = partReferences
    self.decodeTokens = decodeTokens
  }
}

extension PlannedCell {
  /// The task as a person reads it, with its protocol: `perplexity/continuation`, `ruler task=vt`.
  public var taskTitle: String {
    let label = taskLabel ?? cell.task
    return cell.taskProtocol.map { "\(label)/\($0)" } ?? label
  }

  /// The cells whose measured use its budgets match.
  public var references: Set<String> {
    Set(partReferences.values).union(matchedIdentity.map { [$0] } ?? [])
  }
}

/// What can be asked of a cell; each kind is measured and stored on its own.
public enum ResultKind: String, Codable, Sendable, Hashable, CaseIterable, Comparable {
  case approximation, quality, latency, memory

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
