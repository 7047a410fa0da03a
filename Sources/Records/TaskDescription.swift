import JSON

/// What a task says of itself: all that listing, validation, planning and reports need to know of it.
public struct TaskDescription: Codable, Sendable, Hashable {
  /// The word in a spec: `perplexity`.
  public var name: String
  /// One sentence for people.
  public var summary: String
  /// Every key that a spec may give beside `name`, `protocol` included where there are protocols.
  public var parameters: [ParameterDescription]
  /// The values of the parameter `protocol`; empty where the task knows one way only.
  public var protocols: [String]
  /// Parameters that name a text: a shipped corpus by name, or a file by a path relative to the spec file. A cell's
  /// identity holds the text's digest, not this word.
  public var textParameters: [String]
  /// The text that a text parameter names, where it takes other parameters to tell: a path with `{parameter}` for
  /// their values, as in `{folder}/{dataset}.jsonl`.
  public var textPaths: [String: String]
  /// What its score is, in one line; nil for a task that scores tokens instead of answers.
  public var scoreDefinition: String?
  /// The score of somebody who guesses, in 0...1, where no sample says otherwise; nil without a score.
  public var chanceLevel: Double?
  /// Paper, repository or "own".
  public var source: String
  /// What its models are: those that read text, unless it says otherwise.
  public var input = TaskInput.text

  public init(
    name: String, summary: String, parameters: [ParameterDescription], protocols: [String] = [],
    textParameters: [String] = [], textPaths: [String: String] = [:],
    scoreDefinition: String? = nil, chanceLevel: Double? = nil,
    source: String
  ) {
    self.name = name
    self.summary = summary
    self.parameters = parameters
    self.protocols = protocols
    self.textParameters = textParameters
    self.textPaths = textPaths
    self.scoreDefinition = scoreDefinition
    self.chanceLevel = chanceLevel
    self.source = source
  }

  /// The word or path that names the text of a text parameter; nil where the values don't say.
  public static func textWord(
    of name: String, in values: [String: JSONValue], paths: [String: String]
  ) -> String? {
    guard let path = paths[name] else { return values[name]?.stringValue }
    var word = path
    for (name, value) in values where word.contains("{\(name)}") {
      guard let text = value.stringValue else { return nil }
      word.replace("{\(name)}", with: text)
    }
    return word
  }

  /// The parameter of that name, or nil.
  public func parameter(named name: String) -> ParameterDescription? {
    parameters.first { $0.name == name }
  }
}

/// What a task's models take.
public enum TaskInput: String, Codable, Sendable, Hashable {
  /// Tokens of a text: models from files.
  case text
  /// Queries, keys and values: `synthetic` models.
  case attention
}

extension ParameterDescription {
  /// Greedy steps after the prompt in a timing pass; every task has it.
  public static let decodeTokens = ParameterDescription(
    "decodeTokens", .integer(minimum: 1, maximum: 100_000), default: .integer(32),
    "greedy decode steps that a timing pass measures after the prompt")

  /// False: the selection is made before the prompt's final line is seen, as by somebody who keeps a cache for
  /// questions that come later.
  public static let queryAware = ParameterDescription(
    "queryAware", .boolean, default: .boolean(false),
    "the selection sees the question; false: it is made before the prompt's final line, whose tokens are decoded"
  )
}
