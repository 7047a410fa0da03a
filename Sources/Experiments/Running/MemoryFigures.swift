import Attention
import Records
import Tensors

/// What a cell's KV cache held, as means over its samples.
struct MemoryFigures {
  let shape: AttentionShape
  private var windowResidentBytes: [Double] = []
  private var residentBytes: [Double] = []
  private var logicalBytes: [Double] = []
  private var keptTokens: [Double] = []
  private var finalResidentBytes: [Double] = []
  private var finalLogicalBytes: [Double] = []

  init(shape: AttentionShape) { self.shape = shape }

  /// Notes what is held between the prefill's compaction and the first decode step.
  mutating func afterPrefill(_ session: AttentionSession) {
    residentBytes.append(Double(session.residentBytes))
    logicalBytes.append(Double(session.logicalBytes))
    windowResidentBytes.append(Double(session.windowResidentBytes))
    keptTokens.append(
      Double(session.tokensHeld) / Double(shape.globalLayers.count * shape.kvHeads))
  }

  mutating func atEnd(_ session: AttentionSession) {
    finalResidentBytes.append(Double(session.residentBytes))
    finalLogicalBytes.append(Double(session.logicalBytes))
  }

  var measurements: [Records.Measurement] {
    var figures = [
      MetricCatalogue.kvCacheResidentBytes.measurement("value", value: residentBytes.mean),
      MetricCatalogue.finalKVCacheResidentBytes.measurement(
        "value", value: finalResidentBytes.mean),
      MetricCatalogue.kvCacheLogicalBytes.measurement("value", value: logicalBytes.mean),
      MetricCatalogue.finalKVCacheLogicalBytes.measurement("value", value: finalLogicalBytes.mean),
      MetricCatalogue.keptTokens.measurement("mean", value: keptTokens.mean),
    ]
    if shape.globalLayers.count < shape.layers {
      figures.append(
        MetricCatalogue.windowKVCacheResidentBytes.measurement(
          "value", value: windowResidentBytes.mean))
    }
    return figures
  }
}
