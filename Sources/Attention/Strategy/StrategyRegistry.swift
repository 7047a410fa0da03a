import JSON
import Records
import Tensors

/// The built-in strategies.
///
/// A new one is a file in `Strategies` and a line here; listing, validation, tests and reports
/// follow from it.
public struct StrategyRegistry: Sendable {
  public let entries: [StrategyEntry]

  public init(_ entries: [StrategyEntry]) { self.entries = entries }

  public static let builtIn = StrategyRegistry([
    StrategyEntry(FullAttention.self),
    StrategyEntry(StreamingLLM.self),
    StrategyEntry(AShape.self),
    StrategyEntry(TriShape.self),
    StrategyEntry(MInference.self),
    StrategyEntry(FlexPrefill.self),
    StrategyEntry(XAttention.self),
    StrategyEntry(scorer: SnapKV.self),
    StrategyEntry(scorer: PyramidKV.self),
    StrategyEntry(scorer: AdaKV.self),
    StrategyEntry(H2O.self),
    StrategyEntry(scorer: TOVA.self),
    StrategyEntry(scorer: KeyDiff.self),
    StrategyEntry(scorer: Knorm.self),
    StrategyEntry(scorer: LagKV.self),
    StrategyEntry(scorer: ExpectedAttention.self),
    StrategyEntry(DuoAttention.self),
    StrategyEntry(scorer: RandomEviction.self),
    StrategyEntry(Quest.self),
    StrategyEntry(TCA.self),
    StrategyEntry(OracleTopK.self),
    StrategyEntry(OracleTopP.self),
    StrategyEntry(OracleEviction.self),
    StrategyEntry(ComposedStrategy.self),
    StrategyEntry(TCAPlus.self),
    StrategyEntry(Skim.self),
    StrategyEntry(Fade.self),
  ])

  public var descriptions: [StrategyDescription] { entries.map(\.description) }

  public func entry(named name: String) -> StrategyEntry? {
    entries.first { $0.description.name == name }
  }

  /// The strategy that an object of a spec describes: its `name`, parameters, `budget` and `cache`.
  ///
  /// - Parameter cache: where the object states none.
  public func configure(
    _ value: JSONValue, cache: CacheFormat = .f32
  ) throws(ConfigurationError) -> ConfiguredStrategy {
    let name = value["name"]?.stringValue ?? ""
    guard let entry = entry(named: name) else {
      throw ConfigurationError("name", "no strategy \"\(name)\"")
    }
    return try entry.configure(value, cache: cache)
  }
}

/// A type of strategy, as the registry holds it.
public struct StrategyEntry: Sendable {
  public let description: StrategyDescription
  private let decode: @Sendable (JSONValue) throws -> any AttentionStrategy

  public init<Strategy: AttentionStrategy>(_ type: Strategy.Type) {
    description = type.description
    decode = { try $0.decode(as: Strategy.self) }
  }

  /// A method that scores tokens.
  public init<Method: Scorer>(scorer: Method.Type) { self.init(ScoredRetention<Method>.self) }

  /// Makes the strategy from an object of parameters; missing ones take their defaults, members
  /// that are not parameters are ignored.
  ///
  /// - Parameter cache: where the object states none.
  /// - Throws: `ConfigurationError` for a value of another type or out of range, and for a budget
  ///   or a cache of no known form.
  public func configure(
    _ parameters: JSONValue, cache: CacheFormat = .f32
  ) throws(ConfigurationError) -> ConfiguredStrategy {
    var members: [String: JSONValue] = [:]
    for parameter in description.parameters {
      let value = parameters[parameter.name] ?? parameter.defaultValue
      if !value.isNull, let complaint = parameter.kind.complaint(about: value) {
        throw ConfigurationError(
          parameter.name,
          "\(value.canonicalText) \(complaint); allowed is \(parameter.kind.allowedText)")
      }
      members[parameter.name] = value
    }
    return ConfiguredStrategy(
      try strategy(.object(members)), budget: try budget(parameters["budget"]),
      cache: try parameters["cache"].map(CacheFormat.init(stated:)) ?? cache)
  }

  private func strategy(_ members: JSONValue) throws(ConfigurationError) -> any AttentionStrategy {
    do {
      return try decode(members)
    } catch let error as ConfigurationError {
      throw error
    } catch let error as DecodingError {
      let name = error.codingPath.first?.stringValue ?? description.name
      throw ConfigurationError(name, "\((members[name] ?? .null).canonicalText) does not fit")
    } catch {
      throw ConfigurationError(description.name, "\(error)")
    }
  }

  private func budget(_ value: JSONValue?) throws(ConfigurationError) -> StatedBudget? {
    guard let value, !value.isNull else { return nil }
    let allowed = description.budgets.map(\.rawValue).joined(separator: ", ")
    guard let budget = StatedBudget(value) else {
      throw ConfigurationError(
        "budget", "\(value.canonicalText) has no known form; allowed are \(allowed)")
    }
    guard description.budgets.contains(budget.form) else {
      throw ConfigurationError(
        "budget",
        "\(value.canonicalText): \(description.name) takes "
          + (allowed.isEmpty ? "no budget" : "no \(budget.form.rawValue); allowed are \(allowed)"))
    }
    return budget
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
