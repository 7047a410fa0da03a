import JSON
import Records

/// A parameter of a strategy, written once: its name and default are the property's, meaning and
/// range are given here.
///
///     @Parameter("first tokens always kept", 0...) public var sinks = 4
///
/// Reading a spec, its errors, the listing, the schema and the checker's cases follow from the
/// declaration.
@propertyWrapper
public struct Parameter<Value: ParameterValue>: Decodable, Hashable, Sendable {
  public var wrappedValue: Value
  /// Nil in a decoded value: declarations are read from a strategy with its defaults.
  fileprivate let declaration: ParameterDeclaration?

  /// - Parameters:
  ///   - summary: what it means, for people.
  ///   - bounds: the values allowed, or those of the elements of a list.
  ///   - isReplacedByBudget: whether it is a size that a budget replaces.
  ///   - isBlockSize: whether prompts are processed in blocks of that many tokens.
  ///   - isLeftOutAtDefault, isAnchor: as in ``ParameterDescription``.
  public init(
    wrappedValue: Value, _ summary: String, _ bounds: Value.Bounds,
    isReplacedByBudget: Bool = false, isBlockSize: Bool = false, isLeftOutAtDefault: Bool = false,
    isAnchor: Bool = false
  ) {
    self.wrappedValue = wrappedValue
    declaration = ParameterDeclaration(
      summary: summary, kind: Value.kind(bounds), isReplacedByBudget: isReplacedByBudget,
      isBlockSize: isBlockSize, isLeftOutAtDefault: isLeftOutAtDefault, isAnchor: isAnchor)
  }

  public init(from decoder: any Decoder) throws {
    wrappedValue = try decoder.singleValueContainer().decode(Value.self)
    declaration = nil
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.wrappedValue == right.wrappedValue
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(wrappedValue) }
}

extension Parameter where Value.Bounds == Void {
  public init(
    wrappedValue: Value, _ summary: String, isReplacedByBudget: Bool = false,
    isLeftOutAtDefault: Bool = false, isAnchor: Bool = false
  ) {
    self.init(
      wrappedValue: wrappedValue, summary, (), isReplacedByBudget: isReplacedByBudget,
      isLeftOutAtDefault: isLeftOutAtDefault, isAnchor: isAnchor)
  }
}

extension Parameter where Value.Bounds == ClosedRange<Int> {
  /// A number of tokens, queries, pages: at most ``largestSize``.
  public init(
    wrappedValue: Value, _ summary: String, _ bounds: PartialRangeFrom<Int>,
    isReplacedByBudget: Bool = false, isBlockSize: Bool = false, isLeftOutAtDefault: Bool = false
  ) {
    self.init(
      wrappedValue: wrappedValue, summary, bounds.lowerBound...largestSize,
      isReplacedByBudget: isReplacedByBudget, isBlockSize: isBlockSize,
      isLeftOutAtDefault: isLeftOutAtDefault)
  }
}

/// More tokens than any model takes, yet small enough to add up without overflow.
let largestSize = 1 << 30

/// What a parameter may hold.
public protocol ParameterValue: Decodable, Hashable, Sendable {
  /// What restricts the values; `Void` if nothing does.
  associatedtype Bounds = Void
  static func kind(_ bounds: Bounds) -> ParameterKind
  var jsonValue: JSONValue { get }
}

/// One of a few words.
public protocol ParameterChoice: ParameterValue, Encodable, CaseIterable, RawRepresentable<String>
where Bounds == Void {}

extension ParameterChoice {
  public static func kind(_ bounds: Void) -> ParameterKind { .choice(allCases.map(\.rawValue)) }
  public var jsonValue: JSONValue { .string(rawValue) }
}

extension Int: ParameterValue {
  public static func kind(_ bounds: ClosedRange<Int>) -> ParameterKind {
    .integer(
      minimum: bounds.lowerBound, maximum: bounds.upperBound == .max ? nil : bounds.upperBound)
  }
  public var jsonValue: JSONValue { .integer(self) }
}

extension Double: ParameterValue {
  public static func kind(_ bounds: ClosedRange<Double>) -> ParameterKind {
    .number(minimum: bounds.lowerBound, maximum: bounds.upperBound)
  }
  public var jsonValue: JSONValue { .number(self) }
}

extension Bool: ParameterValue {
  public static func kind(_ bounds: Void) -> ParameterKind { .boolean }
  public var jsonValue: JSONValue { .boolean(self) }
}

extension String: ParameterValue {
  public static func kind(_ bounds: Void) -> ParameterKind { .string }
  public var jsonValue: JSONValue { .string(self) }
}

extension Optional: ParameterValue where Wrapped: ParameterValue {
  public static func kind(_ bounds: Wrapped.Bounds) -> ParameterKind { Wrapped.kind(bounds) }
  public var jsonValue: JSONValue { self?.jsonValue ?? .null }
}

extension Array: ParameterValue where Element: ParameterValue {
  public static func kind(_ bounds: Element.Bounds) -> ParameterKind {
    .list(of: Element.kind(bounds))
  }
  public var jsonValue: JSONValue { .array(map(\.jsonValue)) }
}

/// What is declared about a parameter besides its name and default.
private struct ParameterDeclaration: Sendable {
  let summary: String
  let kind: ParameterKind
  let isReplacedByBudget: Bool
  let isBlockSize: Bool
  let isLeftOutAtDefault: Bool
  let isAnchor: Bool
}

private protocol DeclaredParameter {
  var declaration: ParameterDeclaration? { get }
  var jsonValue: JSONValue { get }
}

extension Parameter: DeclaredParameter {
  fileprivate var jsonValue: JSONValue { wrappedValue.jsonValue }
}

/// Parameters that several strategies share.
public protocol ParameterGroup: Decodable, Hashable, Sendable {}

extension ParameterDescription {
  /// The parameters of a strategy in the order of its properties, including those of groups.
  static func declared(by strategy: some AttentionStrategy) -> [ParameterDescription] {
    members(of: type(of: strategy).init()).compactMap { name, parameter in
      guard let declared = parameter.declaration else { return nil }
      return ParameterDescription(
        name, declared.kind, default: parameter.jsonValue, declared.summary,
        isReplacedByBudget: declared.isReplacedByBudget, isBlockSize: declared.isBlockSize,
        isLeftOutAtDefault: declared.isLeftOutAtDefault, isAnchor: declared.isAnchor)
    }
  }

  /// Name and value of each parameter that a strategy holds.
  static func values(of strategy: some AttentionStrategy) -> [(name: String, value: JSONValue)] {
    members(of: strategy).map { ($0, $1.jsonValue) }
  }

  private static func members(of holder: Any) -> [(name: String, any DeclaredParameter)] {
    Mirror(reflecting: holder).children.flatMap {
      child -> [(name: String, any DeclaredParameter)] in
      if child.value is any ParameterGroup { return members(of: child.value) }
      guard let label = child.label, let parameter = child.value as? any DeclaredParameter else {
        return []
      }
      // A wrapped property is stored under its name with an underscore before it.
      return [(String(label.dropFirst()), parameter)]
    }
  }
}
