/// A place in a JSON document: `$.strategies[1].threshold`.
public struct JSONPath: Sendable, Hashable, CustomStringConvertible {
  public enum Component: Sendable, Hashable {
    case key(String)
    case index(Int)

    public static func == (left: Self, right: Self) -> Bool {
      switch (left, right) {
      case (.key(let a), .key(let b)): ExactText(a) == ExactText(b)
      case (.index(let a), .index(let b)): a == b
      default: false
      }
    }

    public func hash(into hasher: inout Hasher) {
      switch self {
      case .key(let key): hasher.combine(ExactText(key))
      case .index(let index): hasher.combine(index)
      }
    }
  }

  public var components: [Component]

  public init(_ components: [Component] = []) { self.components = components }

  /// The whole document, `$`.
  public static let root = JSONPath()

  public func appending(_ key: String) -> JSONPath { JSONPath(components + [.key(key)]) }
  public func appending(_ index: Int) -> JSONPath { JSONPath(components + [.index(index)]) }

  /// The place that holds this one; nil for the whole document.
  public var parent: JSONPath? {
    components.isEmpty ? nil : JSONPath(Array(components.dropLast()))
  }

  /// Keys that are no plain words stand in brackets: `$["odd key"]`.
  public var description: String {
    components.reduce(into: "$") { text, component in
      switch component {
      case .index(let index): text += "[\(index)]"
      case .key(let key):
        let isWord =
          !key.isEmpty && key.utf8.count <= 60
          && key.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
              || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
              || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "_")
              || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "$")
          }
        text += isWord ? "." + key : "[" + JSONValue.string(key).shortText + "]"
      }
    }
  }
}

extension JSONValue {
  /// The canonical text, cut after 60 characters: how messages show a value.
  public var shortText: String {
    let text = canonicalText
    return text.count <= 60 ? text : text.prefix(57) + "..."
  }
}
