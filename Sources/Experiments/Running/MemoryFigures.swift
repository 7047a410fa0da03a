import Attention
import Records
import Tensors

/// What a cell's KV cache held, as means over its samples.
struct MemoryFigures {
  let shape: AttentionShape
  private var residentBytes: [Double] = []
  private var logicalBytes: [Double] = []
  private var keptTokens: [Double] = []
  private var finalResidentBytes: [Double] = []
  private var finalLogicalBytes: [Double] = []

  init(shape: AttentionShape) { self.shape = shape }

  /// Notes what is held between the prefill's compaction and the first decode step.
  mutating func afterPrefill(_ session: any StrategySession) {
    residentBytes.append(Double(session.residentBytes))
    logicalBytes.append(Double(session.logicalBytes))
    keptTokens.append(Double(session.tokensHeld) / Double(shape.layers * shape.kvHeads))
  }

  mutating func atEnd(_ session: any StrategySession) {
    finalResidentBytes.append(Double(session.residentBytes))
    finalLogicalBytes.append(Double(session.logicalBytes))
  }

  var measurements: [Records.Measurement] {
    func bytes(_ name: String, _ statistic: String, _ values: [Double]) -> Records.Measurement {
      Measurement(name, statistic, value: values.mean, unit: "bytes")
    }
    return [
      bytes("kvCacheResidentBytes", "value", residentBytes),
      bytes("finalKVCacheResidentBytes", "value", finalResidentBytes),
      bytes("kvCacheLogicalBytes", "value", logicalBytes),
      bytes("finalKVCacheLogicalBytes", "value", finalLogicalBytes),
      Records.Measurement("keptTokens", "mean", value: keptTokens.mean, unit: "tokens"),
    ]
  }
}

extension [Double] {
  /// The arithmetic mean; nil if there is nothing.
  var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}
