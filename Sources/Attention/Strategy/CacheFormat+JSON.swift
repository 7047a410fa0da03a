import JSON
import Records
import Tensors

extension CacheFormat {
  /// As specs write it: the name of a format, or `{"keys": …, "values": …}` where they differ.
  public var jsonValue: JSONValue {
    keys == values
      ? .string(keys.rawValue)
      : ["keys": .string(keys.rawValue), "values": .string(values.rawValue)]
  }

  /// What a spec may say.
  public static let parameterKind = ParameterKind.choices(
    parts: ["keys", "values"], RowFormat.allCases.map(\.rawValue))

  /// - Throws: `ConfigurationError` for anything but what ``jsonValue`` gives.
  public init(stated value: JSONValue) throws(ConfigurationError) {
    if let complaint = Self.parameterKind.complaint(about: value) {
      throw ConfigurationError(
        "cache", "\(value.canonicalText) \(complaint); allowed is \(Self.parameterKind.allowedText)"
      )
    }
    func format(_ part: String) -> RowFormat {
      // Neither is nil after the check above.
      (value[part] ?? value).stringValue.flatMap(RowFormat.init(rawValue:)) ?? .f32
    }
    self.init(keys: format("keys"), values: format("values"))
  }
}
