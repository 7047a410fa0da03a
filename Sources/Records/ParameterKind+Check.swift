import JSON

extension ParameterKind {
  /// What is wrong with a value of this kind; nil where nothing is.
  public func complaint(about value: JSONValue) -> String? {
    switch self {
    case .integer(let minimum, let maximum):
      guard let number = value.doubleValue else { return "is \(value.kindName)" }
      guard let whole = value.integerValue else {
        if number.rounded() != number { return "is not a whole number" }
        if (number < 0 ? minimum : maximum) != nil { return "is out of range" }
        return number < 0
          ? "is below \(Int.min), the least whole number here"
          : "is above \(Int.max), the greatest whole number here"
      }
      return whole < minimum ?? .min || whole > maximum ?? .max ? "is out of range" : nil
    case .number(let minimum, let maximum):
      guard let number = value.doubleValue else { return "is \(value.kindName)" }
      // NaN lies in no range.
      return number >= minimum ?? -.infinity && number <= maximum ?? .infinity
        ? nil : "is out of range"
    case .boolean: return value.booleanValue == nil ? "is \(value.kindName)" : nil
    case .string: return value.stringValue == nil ? "is \(value.kindName)" : nil
    case .choice(let words):
      guard let word = value.stringValue else { return "is \(value.kindName)" }
      return words.contains(word) ? nil : "is unknown"
    case .choices(let parts, let words):
      if let word = value.stringValue { return words.contains(word) ? nil : "is unknown" }
      guard let members = value.objectValue else { return "is \(value.kindName)" }
      if let part = parts.first(where: { members[$0] == nil }) { return "says nothing of \(part)" }
      for (key, value) in members.sorted(by: { $0.key < $1.key }) {
        guard parts.contains(key) else { return "has \"\(key)\", which is no part of it" }
        guard let word = value.stringValue, words.contains(word) else {
          return "has \(value.canonicalText) for \(key), which is unknown"
        }
      }
      return nil
    case .list(let element):
      guard let elements = value.arrayValue else { return "is \(value.kindName)" }
      if elements.isEmpty { return "is an empty list" }
      for (index, value) in elements.enumerated() {
        if let complaint = element.complaint(about: value) {
          return "holds \(value.canonicalText) at place \(index), which \(complaint)"
        }
      }
      return nil
    case .strategy: return value.objectValue == nil ? "is \(value.kindName)" : nil
    }
  }

  /// What this kind accepts, in words.
  public var allowedText: String {
    switch self {
    case .integer(let minimum, let maximum):
      "a whole number" + Self.rangeText(minimum.map(String.init), maximum.map(String.init))
    case .number(let minimum, let maximum):
      "a number"
        + Self.rangeText(
          minimum.map { JSONValue.number($0).canonicalText },
          maximum.map { JSONValue.number($0).canonicalText })
    case .boolean: "true or false"
    case .string: "a text"
    case .choice(let words): words.joined(separator: ", ")
    case .choices(let parts, let words):
      "\(words.joined(separator: ", ")), or {\(parts.map { "\"\($0)\": …" }.joined(separator: ", "))} with one of them each"
    case .list(let element): "a list, each element \(element.allowedText)"
    case .strategy(let phase):
      "a strategy that acts in \(phase.rawValue): {\"name\": …} with its parameters"
    }
  }

  public var isList: Bool {
    if case .list = self { true } else { false }
  }

  /// The words of a choice.
  public var words: [String] {
    switch self {
    case .choice(let words), .choices(_, let words): words
    default: []
    }
  }

  /// The same value, written the same way: one word where all parts have the same.
  public func canonical(_ value: JSONValue) -> JSONValue {
    guard case .choices = self, let members = value.objectValue,
      let first = members.values.first, members.values.allSatisfy({ $0 == first })
    else { return value }
    return first
  }

  private static func rangeText(_ minimum: String?, _ maximum: String?) -> String {
    switch (minimum, maximum) {
    case (nil, nil): ""
    case (let minimum?, nil): ", at least \(minimum)"
    case (nil, let maximum?): ", at most \(maximum)"
    case (let minimum?, let maximum?): " from \(minimum) to \(maximum)"
    }
  }
}
