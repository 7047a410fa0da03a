import JSON
import Records
import Tensors

/// The format of the KV cache, an axis of its own that every strategy has in a spec.
enum CacheAxis {
  static let name = "cache"

  static func parameter(default format: CacheFormat) -> ParameterDescription {
    ParameterDescription(
      name, CacheFormat.parameterKind, default: format.jsonValue,
      "how the KV cache holds keys and values: a format for both, or one for each")
  }

  /// Parameters as they enter an identity: a cache in float32 goes without saying, as which cells
  /// were measured before there was a choice.
  static func identifying(_ parameters: [String: JSONValue]) -> [String: JSONValue] {
    parameters.filter { $0.key != name || $0.value != CacheFormat.f32.jsonValue }
  }
}

extension StrategyDescription {
  /// With the axis that a strategy of a spec has and a part of another strategy has not.
  func withCache(default format: CacheFormat) -> StrategyDescription {
    var description = self
    description.parameters.append(CacheAxis.parameter(default: format))
    return description
  }
}
