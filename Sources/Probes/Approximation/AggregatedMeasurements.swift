import Records

/// A cell's approximation in a few figures: per setting and phase, over layers and query heads.
///
/// Every query head weighs the same. `worst` is the worst of anything that was seen: a single query
/// for `relativeOutputError` and `droppedMass`, a head's mean for `outputCosine`.
public enum AggregatedMeasurements {
  /// The figures of heads that may come from several settings and phases, in the order isolated,
  /// propagated, and in each prefill, decode.
  public static func measurements(of heads: [HeadMeasurement]) -> [Measurement] {
    ErrorSetting.allCases.flatMap { setting in
      MeasuredPhase.allCases.flatMap { phase in
        measurements(
          of: heads.filter { $0.setting == setting && $0.phase == phase }, setting, phase)
      }
    }
  }

  private static func measurements(
    of heads: [HeadMeasurement], _ setting: ErrorSetting, _ phase: MeasuredPhase
  ) -> [Measurement] {
    guard !heads.isEmpty else { return [] }
    func figure(
      _ metric: MetricDescriptor, _ statistic: String, _ value: Double?
    ) -> Measurement {
      metric.measurement(statistic, setting: setting, phase: phase, value: value)
    }
    func mean(_ value: (HeadMeasurement) -> Double?) -> Double? {
      var sum = 0.0
      for head in heads {
        guard let value = value(head) else { return nil }
        sum += value
      }
      return sum / Double(heads.count)
    }
    return [
      figure(MetricCatalogue.relativeOutputError, "mean", mean(\.relativeOutputError)),
      figure(MetricCatalogue.relativeOutputError, "worst", heads.map(\.worstQueryError).max()),
      figure(MetricCatalogue.relativeOutputError, "lastQuery", mean(\.lastQueryError)),
      figure(MetricCatalogue.outputCosine, "mean", mean(\.outputCosine)),
      figure(MetricCatalogue.outputCosine, "worst", heads.map(\.outputCosine).min()),
      figure(MetricCatalogue.droppedMass, "mean", mean(\.droppedMass)),
      figure(MetricCatalogue.droppedMass, "p95", mean(\.droppedMassP95)),
      figure(MetricCatalogue.droppedMass, "worst", heads.compactMap(\.droppedMassMaximum).max()),
      figure(MetricCatalogue.boundRatio, "maximum", heads.compactMap(\.boundRatio).max()),
      figure(MetricCatalogue.density, "mean", mean(\.density)),
      figure(MetricCatalogue.nominalDensity, "mean", mean(\.nominalDensity)),
      figure(MetricCatalogue.retainedFraction, "mean", mean(\.retainedFraction)),
    ]
  }
}
