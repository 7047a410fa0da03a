import JSON
import Records

/// Values by their JSON kind.
extension SpecReader {
  mutating func object(
    _ value: JSONValue, at path: JSONPath, what: String
  ) -> [String: JSONValue]? {
    if let members = value.objectValue { return members }
    report(path, value, "is \(value.kindName)", allowed: what)
    return nil
  }

  /// The elements of a list that must not be empty, nor hold a value twice.
  mutating func list(_ value: JSONValue, at path: JSONPath, allowed: String) -> [JSONValue]? {
    guard let elements = value.arrayValue else {
      report(path, value, "is \(value.kindName)", allowed: allowed)
      return nil
    }
    if elements.isEmpty {
      report(path, value, "is an empty list", allowed: allowed)
      return nil
    }
    refuseRepeats(in: elements, at: path)
    return elements
  }

  mutating func refuseRepeats(in elements: [JSONValue], at path: JSONPath) {
    var seen: Set<JSONValue> = []
    for (index, element) in elements.enumerated() where !seen.insert(element).inserted {
      report(path.appending(index), element, "stands twice in this list; keep one")
    }
  }

  /// A member that must be there; says so where it is not, unless a misspelt key, an unknown one, is meant for it.
  mutating func required(
    _ key: String, of members: [String: JSONValue], at path: JSONPath = .root, allowed: String
  ) -> JSONValue? {
    if let value = members[key] { return value }
    if members.keys.contains(where: { NearestWord.to($0, among: [key]) != nil }) { return nil }
    report(path, .string(key), "is missing", allowed: allowed)
    return nil
  }

  mutating func string(
    _ key: String, of members: [String: JSONValue], at path: JSONPath, default fallback: String,
    allowed: String
  ) -> String? {
    guard let value = members[key] else { return fallback }
    if let string = value.stringValue { return string }
    report(path.appending(key), value, "is \(value.kindName)", allowed: allowed)
    return nil
  }

  /// A whole number of the spec itself.
  mutating func integer(
    _ key: String, of members: [String: JSONValue], _ range: ClosedRange<Int>,
    default fallback: Int
  ) -> Int {
    guard let value = members[key] else { return fallback }
    let kind = ParameterKind.integer(
      minimum: range.lowerBound == .min ? nil : range.lowerBound,
      maximum: range.upperBound == .max ? nil : range.upperBound)
    if let complaint = kind.complaint(about: value) {
      report(.root.appending(key), value, complaint, allowed: kind.allowedText)
      return fallback
    }
    return value.integerValue ?? fallback
  }

  mutating func refuseUnknownKeys(
    of members: [String: JSONValue], at path: JSONPath, known: [String], alsoKnown: [String] = [],
    owner: String
  ) {
    for key in members.keys.sorted() where !known.contains(key) && !alsoKnown.contains(key) {
      // A key that is there already is not the one that was meant.
      report(
        path.appending(key), .string(key), "is no key of \(owner)",
        allowed: known.joined(separator: ", "), among: known.filter { members[$0] == nil })
    }
  }
}
