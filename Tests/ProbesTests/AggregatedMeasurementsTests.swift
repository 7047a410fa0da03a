import Records
import Testing

@testable import Probes

@Suite("Aggregated measurements")
struct AggregatedMeasurementsTests {
  private func head(
    _ setting: ErrorSetting, _ phase: MeasuredPhase, head: Int, error: Double, mass: Double?,
    ratio: Double?
  ) -> HeadMeasurement {
    HeadMeasurement(
      setting: setting, phase: phase, layer: 0, queryHead: head, relativeOutputError: error,
      worstQueryError: error * 10, lastQueryError: error / 2, outputCosine: 1 - error,
      droppedMass: mass, droppedMassP95: mass.map { $0 * 2 },
      droppedMassMaximum: mass.map { $0 * 3 },
      boundRatio: ratio, density: 0.5 + error, nominalDensity: 0.4 + error,
      retainedFraction: 0.3 + error)
  }

  private func value(
    _ measurements: [Measurement], _ name: String, _ statistic: String,
    _ setting: ErrorSetting = .isolated, _ phase: MeasuredPhase = .prefill
  ) -> Double? {
    measurements.first {
      $0.name == name && $0.statistic == statistic && $0.setting == setting && $0.phase == phase
    }?.value
  }

  @Test("Means weigh heads alike, worst figures are the worst of any head")
  func figures() {
    let heads = [
      head(.isolated, .prefill, head: 0, error: 0.1, mass: 0.02, ratio: nil),
      head(.isolated, .prefill, head: 1, error: 0.3, mass: 0.04, ratio: 0.25),
    ]
    let figures = AggregatedMeasurements.measurements(of: heads)
    func near(_ name: String, _ statistic: String, _ wanted: Double) {
      let found = value(figures, name, statistic)
      #expect(
        abs((found ?? .nan) - wanted) < 1e-12, "\(name) \(statistic): \(String(describing: found))")
    }
    near("relativeOutputError", "mean", 0.2)
    near("relativeOutputError", "worst", 3)
    near("relativeOutputError", "lastQuery", 0.1)
    near("outputCosine", "mean", 0.8)
    near("outputCosine", "worst", 0.7)
    near("droppedMass", "mean", 0.03)
    near("droppedMass", "p95", 0.06)
    near("droppedMass", "worst", 0.12)
    near("boundRatio", "maximum", 0.25)
    near("density", "mean", 0.7)
    near("nominalDensity", "mean", 0.6)
    near("retainedFraction", "mean", 0.5)
  }

  @Test("Settings and phases are never mixed, and absent ones give no figures")
  func separate() {
    let heads = [
      head(.isolated, .prefill, head: 0, error: 0.1, mass: 0, ratio: nil),
      head(.propagated, .decode, head: 0, error: 0.9, mass: 0, ratio: nil),
    ]
    let figures = AggregatedMeasurements.measurements(of: heads)
    #expect(value(figures, "relativeOutputError", "mean") == 0.1)
    #expect(value(figures, "relativeOutputError", "mean", .propagated, .decode) == 0.9)
    #expect(!figures.contains { $0.setting == .propagated && $0.phase == .prefill })
    #expect(figures.count == 24)
    #expect(AggregatedMeasurements.measurements(of: []).isEmpty)
  }

  @Test("Masses that one head does not have are null for the cell")
  func nullMass() {
    let heads = [
      head(.isolated, .prefill, head: 0, error: 0.1, mass: nil, ratio: nil),
      head(.isolated, .prefill, head: 1, error: 0.1, mass: nil, ratio: nil),
    ]
    let figures = AggregatedMeasurements.measurements(of: heads)
    let mass = figures.filter { $0.name == "droppedMass" || $0.name == "boundRatio" }
    #expect(mass.count == 4 && mass.allSatisfy { $0.value == nil })
  }

  @Test("Every figure is in the catalogue, with its statistic and unit")
  func catalogue() throws {
    let heads = [head(.isolated, .prefill, head: 0, error: 0.1, mass: 0, ratio: 0.1)]
    var quality = QualityMeasure()
    quality.beginSample(firstScoredPosition: 0)
    let logits: [Float] = [0, 1]
    quality.observeDense(logits.span, target: 1)
    let figures =
      AggregatedMeasurements.measurements(of: heads) + (try quality.finish().measurements)
    for figure in figures {
      let metric = try #require(MetricCatalogue.descriptor(named: figure.name))
      #expect(metric.statistics.contains { $0.name == figure.statistic })
      #expect(metric.unit == figure.unit)
    }
    let names = MetricCatalogue.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(MetricCatalogue.descriptor(named: "perplexities") == nil)
  }
}
