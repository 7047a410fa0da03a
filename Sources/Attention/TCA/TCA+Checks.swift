import Records
import Tensors

extension TCA {
  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    let b = blockSize
    guard b >= 1, b & (b - 1) == 0 else {
      throw ConfigurationError("blockSize", "\(b) is not a power of two; use 16, 32, 64, 128 …")
    }
    guard localWindow % b == 0 else {
      throw ConfigurationError(
        "localWindow",
        "\(localWindow) is not a multiple of blockSize \(b); use \(max(1, localWindow / b) * b)")
    }
    try HeadValues.ofQueryHeads("candidate", shape).check(heads, "heads", layers: shape.layers)
    guard groupMerge == .aggregate, let heads else { return }
    for group in stride(from: 0, to: heads.count, by: shape.queryHeadsPerKVHead) {
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
