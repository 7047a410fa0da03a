/// The members of a JSON object. Keys that differ in a byte are different keys, as in
/// ``ExactText``.
public struct JSONObject: Sendable, Hashable {
  private var values: [ExactText: JSONValue] = [:]

  public init() {}

  public init(_ members: [String: JSONValue]) {
    values = Dictionary(uniqueKeysWithValues: members.map { (ExactText($0.key), $0.value) })
  }

  public subscript(key: String) -> JSONValue? {
    get { values[ExactText(key)] }
    set { values[ExactText(key)] = newValue }
  }

  public var isEmpty: Bool { values.isEmpty }

  /// By the bytes of their keys, ascending.
  public var members: [(key: String, value: JSONValue)] {
    values.sorted { $0.key < $1.key }.map { ($0.key.text, $0.value) }
  }

  /// For keys that are known; of those that are equal as `String`s it holds the first.
  public var dictionary: [String: JSONValue] {
    Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
  }
}
