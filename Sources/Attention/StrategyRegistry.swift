import JSON
import Records
import Tensors

/// The strategies that are built in.
///
/// A new one is a file in `Strategies` and a line here; listing, validation, tests and reports follow from it.
public struct StrategyRegistry: Sendable {
  public let entries: [any RegisteredStrategy]

  public init(_ entries: [any RegisteredStrategy]) { self.entries = entries }

  public static let builtIn = StrategyRegistry([
    StrategyEntry<FullAttention>(),
    StrategyEntry<StreamingLLM>(),
    StrategyEntry<AShape>(),
    StrategyEntry<TriShape>(),
    StrategyEntry<MInference>(),
    StrategyEntry<FlexPrefill>(),
    StrategyEntry<XAttention>(),
    StrategyEntry<SnapKV>(),
    StrategyEntry<PyramidKV>(),
    StrategyEntry<AdaKV>(),
    StrategyEntry<H2O>(),
    StrategyEntry<TOVA>(),
    StrategyEntry<KeyDiff>(),
    StrategyEntry<Knorm>(),
    StrategyEntry<LagKV>(),
    StrategyEntry<ExpectedAttention>(),
    StrategyEntry<DuoAttention>(),
    StrategyEntry<RandomEviction>(),
    StrategyEntry<Quest>(),
    StrategyEntry<TCA>(),
    StrategyEntry<OracleTopK>(),
    StrategyEntry<OracleTopP>(),
    StrategyEntry<OracleEviction>(),
    StrategyEntry<ComposedStrategy>(),
    StrategyEntry<TCAPlus>(),
  ])

  public var descriptions: [StrategyDescription] { entries.map(\.description) }

  public func entry(named name: String) -> (any RegisteredStrategy)? {
    entries.first { $0.description.name == name }
  }
}

/// A strategy as the registry holds it: made from the parameters of a spec.
public protocol RegisteredStrategy: Sendable {
  var description: StrategyDescription { get }

  /// The strategy itself.
  ///
  /// - Parameter parameters: an object under the names of `description.parameters`; what is missing takes its default.
  ///   `budget`, where there is one, is a ``Budget``. A parameter without a default is left out.
  /// - Throws: `ConfigurationError` for parameters that contradict each other or the shape.
  func makeStrategy(
    parameters: JSONValue, shape: AttentionShape
  ) throws -> any AttentionStrategy

  /// The strategy at work on a new sequence; parameters and errors as for ``makeStrategy(parameters:shape:)``.
  func makeSession(
    parameters: JSONValue, shape: AttentionShape, workspace: Workspace
  ) throws -> any StrategySession
}

extension RegisteredStrategy {
  /// Throws what `makeSession` would throw for these parameters and this shape.
  public func check(parameters: JSONValue, shape: AttentionShape) throws {
    _ = try makeStrategy(parameters: parameters, shape: shape)
  }

  /// The parameters with the defaults of those that are missing; those without a default stay away.
  public func filledParameters(_ parameters: JSONValue) -> JSONValue {
    var members = parameters.objectValue ?? [:]
    for parameter in description.parameters where members[parameter.name] == nil {
      members[parameter.name] = parameter.defaultValue
    }
    return .object(members.filter { !$0.value.isNull })
  }
}

/// The entry of one type of strategy.
public struct StrategyEntry<Strategy: AttentionStrategy>: RegisteredStrategy {
  public init() {}

  public var description: StrategyDescription { Strategy.description }

  public func makeStrategy(
    parameters: JSONValue, shape: AttentionShape
  ) throws -> any AttentionStrategy {
    try strategy(parameters, shape)
  }

  public func makeSession(
    parameters: JSONValue, shape: AttentionShape, workspace: Workspace
  ) throws -> any StrategySession {
    AttentionSession(try strategy(parameters, shape), shape: shape, workspace: workspace)
  }

  private func strategy(_ parameters: JSONValue, _ shape: AttentionShape) throws -> Strategy {
    try Strategy(configuration(parameters), for: shape)
  }

  /// The parameters as the strategy's own type, defaults filled in.
  ///
  /// - Throws: `ConfigurationError` for a value of another type.
  public func configuration(_ parameters: JSONValue) throws -> Strategy.Configuration {
    let filled = filledParameters(parameters)
    for parameter in description.parameters {
      guard let value = filled[parameter.name], !parameter.kind.accepts(value) else { continue }
      throw ConfigurationError(unfit: value, parameter)
    }
    do {
      return try filled.decode(as: Strategy.Configuration.self)
    } catch let error as DecodingError {
      // All that is left: an unknown word, or a budget of no known form.
      let name = error.codingPath.first?.stringValue ?? "budget"
      let value = filled[name] ?? .null
      if let parameter = description.parameters.first(where: { $0.name == name }) {
        throw ConfigurationError(unfit: value, parameter)
      }
      throw ConfigurationError(
        name,
        "\(value.canonicalText) does not fit; allowed are {\"tokens\": t}, {\"density\": x, \"promptTokens\": n} and {\"mass\": p}"
      )
    }
  }
}

extension ConfigurationError {
  fileprivate init(unfit value: JSONValue, _ parameter: ParameterDescription) {
    self.init(
      parameter.name, "\(value.canonicalText) does not fit; allowed is \(parameter.kind.noun)")
  }
}

extension DecodingError {
  fileprivate var codingPath: [any CodingKey] {
    switch self {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .keyNotFound(_, let context), .dataCorrupted(let context):
      context.codingPath
    @unknown default: []
    }
  }
}

extension ParameterKind {
  /// Whether a value is of this kind; its range, and the words of a choice, are the strategy's own affair.
  fileprivate func accepts(_ value: JSONValue) -> Bool {
    switch self {
    case .integer: value.integerValue != nil
    case .number: value.doubleValue != nil
    case .boolean: value.booleanValue != nil
    case .string: value.stringValue != nil
    case .choice: value.stringValue != nil
    case .list(let element): value.arrayValue?.allSatisfy(element.accepts) == true
    case .strategy: value["name"]?.stringValue != nil
    }
  }

  fileprivate var noun: String {
    switch self {
    case .integer: "a whole number"
    case .number: "a number"
    case .boolean: "true or false"
    case .string: "a text"
    case .choice(let words): words.joined(separator: ", ")
    case .list(let element): "a list, each element \(element.noun)"
    case .strategy(let phase):
      "a strategy that acts in \(phase.rawValue): {\"name\": …} with its parameters"
    }
  }
}
