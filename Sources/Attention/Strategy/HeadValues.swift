import Records
import Tensors

/// A parameter that lists one value for each head, layer after layer: from calibration, or given.
struct HeadValues {
  /// What each value is: a candidate, a score.
  let noun: String
  /// Which heads of a layer have one, and how many there are.
  let heads: String
  let count: Int

  static func ofQueryHeads(_ noun: String, _ shape: AttentionShape) -> HeadValues {
    HeadValues(noun: noun, heads: "query head", count: shape.queryHeads)
  }

  static func ofKVHeads(_ noun: String, _ shape: AttentionShape) -> HeadValues {
    HeadValues(noun: noun, heads: "KV head", count: shape.kvHeads)
  }

  /// Throws unless there is a value for each head of each layer.
  func check(
    _ values: [some Any]?, _ parameter: String, layers: Int
  ) throws(ConfigurationError) {
    guard let values else {
      throw ConfigurationError(
        parameter, "not calibrated: run `tca-lab calibrate`, or list a \(noun) for each \(heads)")
    }
    guard values.count == layers * count else {
      throw ConfigurationError(
        parameter,
        "\(values.count) \(noun)s for \(layers) layers x \(count) \(heads)s; \(layers * count) are needed, layer after layer"
      )
    }
  }
}
