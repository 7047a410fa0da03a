import Tensors

extension TCA {
  /// Throws unless numbers are in range and block size and window fit together: what can be said before calibration.
  public static func checkSizes(_ configuration: Configuration) throws(ConfigurationError) {
    let b = configuration.blockSize
    guard b >= 1, b & (b - 1) == 0 else {
      throw ConfigurationError("blockSize", "\(b) is not a power of two; use 16, 32, 64, 128 …")
    }
    guard configuration.localWindow >= 0, configuration.localWindow % b == 0 else {
      throw ConfigurationError(
        "localWindow",
        "\(configuration.localWindow) is not a multiple of blockSize \(b); use \(max(1, configuration.localWindow / b) * b)"
      )
    }
    for (name, value) in [
      ("threshold", configuration.threshold), ("balance", configuration.balance),
    ] {
      guard (0...1).contains(value) else {
        throw ConfigurationError(name, "\(value) is outside of 0…1")
      }
    }
    for (name, value, least) in [
      ("sinks", configuration.sinks, 0), ("importanceQueries", configuration.importanceQueries, 1),
      ("calibrationLength", configuration.calibrationLength ?? 2, 2),
    ] {
      guard value >= least else {
        throw ConfigurationError(name, "\(value) is too small; use at least \(least)")
      }
    }
  }

  /// Throws unless there is a candidate for each query head, and one for all of a group where they share it.
  static func checkHeads(
    _ configuration: Configuration, _ shape: AttentionShape
  ) throws(ConfigurationError) {
    guard let heads = configuration.heads else {
      throw ConfigurationError(
        "heads", "not calibrated: run `tca-lab calibrate`, or list a candidate for each query head")
    }
    let needed = shape.layers * shape.queryHeads
    guard heads.count == needed else {
      throw ConfigurationError(
        "heads",
        "\(heads.count) candidates for \(shape.layers) layers x \(shape.queryHeads) query heads; \(needed) are needed, layer after layer"
      )
    }
    if let wrong = heads.first(where: { !(-1..<TCACandidate.count).contains($0) }) {
      throw ConfigurationError(
        "heads", "candidate \(wrong) does not exist; use 0…13, or -1 to keep everything")
    }
    guard configuration.groupMerge == .aggregate else { return }
    for group in stride(from: 0, to: needed, by: shape.queryHeadsPerKVHead) {
      let members = Array(heads[group..<group + shape.queryHeadsPerKVHead])
      guard Set(members).count == 1 else {
        throw ConfigurationError(
          "heads",
          "\(members) for one group: with groupMerge aggregate the query heads of a KV head share one candidate"
        )
      }
    }
  }
}
