/// Any JSON value: what specs, parameters and records are made of before they get a type.
///
/// A number is an integer wherever it is whole and fits 64 bits, however it was written: `2`, `2.0`
/// and `2e0` are one value, with one text and one hash. Text in and out: ``init(parsing:)``,
/// ``canonicalText``, ``prettyText``.
public enum JSONValue: Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  /// A number that is not whole, or beyond 64 bits; parsing gives no other, and `.number(2)` equals
  /// `.integer(2)`.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

extension JSONValue {
  public static func object(_ members: [String: JSONValue]) -> JSONValue {
    .object(JSONObject(members))
  }

  public var isNull: Bool { self == .null }

  public var booleanValue: Bool? {
    if case .boolean(let value) = self { value } else { nil }
  }

  /// The whole number that this is; `.number(2)` is 2.
  public var integerValue: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The number that this is, integers included (rounded beyond 2^53).
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  public var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The members, to look known keys up in: see ``JSONObject/dictionary``.
  public var objectValue: [String: JSONValue]? {
    if case .object(let value) = self { value.dictionary } else { nil }
  }

  /// A member of an object; nil where there is none, or where this is no object.
  public subscript(key: String) -> JSONValue? {
    if case .object(let value) = self { value[key] } else { nil }
  }

  /// An element of an array; nil outside of it, or where this is no array.
  public subscript(index: Int) -> JSONValue? {
    guard let array = arrayValue, array.indices.contains(index) else { return nil }
    return array[index]
  }

  /// "a string", "an object" …: what messages call this kind of value.
  public var kindName: String {
    switch self {
    case .null: "null"
    case .boolean: "true or false"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

extension JSONValue: Hashable {
  /// Values are equal where their canonical texts are.
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.boolean(let a), .boolean(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.number(let a), .number(let b)): a == b || (a.isNaN && b.isNaN)
    case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)):
      Int(exactly: b) == a
    case (.string(let a), .string(let b)): ExactText(a) == ExactText(b)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .boolean(let value): hasher.combine(value)
    case .integer(let value): hasher.combine(value)
    case .number(let value):
      if let whole = Int(exactly: value) {
        hasher.combine(whole)
      } else {
        hasher.combine(value.isNaN ? Double.nan.bitPattern : value.bitPattern)
      }
    case .string(let value): hasher.combine(ExactText(value))
    case .array(let value): hasher.combine(value)
    case .object(let value): hasher.combine(value)
    }
  }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// Traps on a key that stands twice.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(uniqueKeysWithValues: elements))
  }
}

extension JSONValue {
  /// An object with one member set.
  public func replacing(_ key: String, by value: JSONValue) -> JSONValue {
    .object((objectValue ?? [:]).merging([key: value]) { $1 })
  }
}
