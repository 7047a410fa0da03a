import Attention
import Records
import Tensors

/// What a cell's KV cache held, as means over its samples.
struct MemoryFigures {
  let shape: AttentionShape
  private var uses: [CacheUse] = []
  private var keptTokens: [Double] = []

  init(shape: AttentionShape) { self.shape = shape }

  /// Notes what is held between the prefill's compaction and the first decode step.
  mutating func afterPrefill(_ session: AttentionSession) {
    keptTokens.append(
      Double(session.tokensHeld) / Double(shape.globalLayers.count * shape.kvHeads))
  }

  mutating func atEnd(_ session: AttentionSession) { uses.append(session.use) }

  /// Decode steps of each sample.
  var decodeSteps: [Int] { uses.map(\.steps.count) }

  /// The mean over samples of each one's logical bytes of global layers: over its decode steps, or after
  /// the prompt where it has none. What is matched.
  var meanLogicalBytes: Double? {
    uses.map {
      $0.meanOfSteps(\.global.logical) ?? Double($0.afterPrompt.global.logical)
    }.mean
  }

  var measurements: [Records.Measurement] {
    func value(_ metric: MetricDescriptor, _ bytes: (CacheUse) -> Int) -> Records.Measurement {
      metric.measurement("value", value: uses.map { Double(bytes($0)) }.mean)
    }
    var figures = [
      value(MetricCatalogue.kvCacheResidentBytes, \.afterPrompt.total.resident),
      value(MetricCatalogue.finalKVCacheResidentBytes, \.final.total.resident),
      value(MetricCatalogue.peakKVCacheResidentBytes, \.peak.resident),
      value(MetricCatalogue.kvCacheLogicalBytes, \.afterPrompt.total.logical),
      value(MetricCatalogue.finalKVCacheLogicalBytes, \.final.total.logical),
      value(MetricCatalogue.peakKVCacheLogicalBytes, \.peak.logical),
      MetricCatalogue.keptTokens.measurement("mean", value: keptTokens.mean),
    ]
    if shape.globalLayers.count < shape.layers {
      figures.append(
        value(MetricCatalogue.windowKVCacheResidentBytes, \.afterPrompt.windows.resident))
    }
    guard decodeSteps.contains(where: { $0 > 0 }) else { return figures }
    for (metric, bytes) in Self.means {
      figures.append(
        metric.measurement("value", value: uses.compactMap { $0.meanOfSteps(bytes) }.mean))
    }
    figures.append(
      MetricCatalogue.decodeSteps.measurement("mean", value: decodeSteps.map(Double.init).mean))
    return figures
  }

  private static let means: [(MetricDescriptor, @Sendable (CacheUse.Moment) -> Int)] = [
    (MetricCatalogue.meanKVCacheResidentBytes, { $0.total.resident }),
    (MetricCatalogue.meanKVCacheLogicalBytes, { $0.total.logical }),
    (MetricCatalogue.globalMeanKVCacheResidentBytes, { $0.global.resident }),
    (MetricCatalogue.globalMeanKVCacheLogicalBytes, { $0.global.logical }),
  ]
}
