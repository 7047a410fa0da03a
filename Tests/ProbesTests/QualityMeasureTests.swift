import Foundation
import Records
import Testing

@testable import Probes

@Suite("Quality measure")
struct QualityMeasureTests {
  private func logits(_ count: Int, seed: Int, scale: Double = 3) -> [Float] {
    var generator = SeededGenerator(seed: seed, purpose: "logits")
    return (0..<count).map { _ in Float(generator.normal() * scale + 5) }
  }

  private func logSumExp(_ logits: [Float]) -> Double {
    let maximum = Double(logits.max()!)
    return maximum + log(logits.reduce(0) { $0 + exp(Double($1) - maximum) })
  }

  private func divergence(_ dense: [Float], _ sparse: [Float]) -> Double {
    let a = logSumExp(dense)
    let b = logSumExp(sparse)
    return zip(dense, sparse).reduce(0) { sum, pair in
      let p = Double(pair.0) - a
      return sum + exp(p) * (p - (Double(pair.1) - b))
    }
  }

  private func value(_ measurements: [Records.Measurement], _ name: String, _ statistic: String)
    -> Double?
  {
    measurements.first { $0.name == name && $0.statistic == statistic }?.value
  }

  @Test("Likelihood, KL and agreement equal those computed in Double")
  func figures() throws {
    var quality = QualityMeasure()
    var nats = 0.0
    var divergences: [Double] = []
    var agreements = 0
    for sample in 0..<2 {
      quality.beginSample(firstScoredPosition: 100)
      for token in 0..<70 {
        let dense = logits(1003, seed: sample * 100 + token)
        var generator = SeededGenerator(seed: token, purpose: "noise")
        let sparse = dense.map { $0 + Float(generator.normal() * 0.5) }
        quality.observe(sparse.span, dense: dense.span, target: Int32(token))
        nats += logSumExp(sparse) - Double(sparse[token])
        divergences.append(divergence(dense, sparse))
        let tops = [sparse, dense].map { row in row.firstIndex(of: row.max()!) }
        agreements += tops[0] == tops[1] ? 1 : 0
      }
    }
    let (measurements, units) = try quality.finish()
    func near(_ name: String, _ statistic: String, _ wanted: Double, _ tolerance: Double) {
      let found = value(measurements, name, statistic)
      #expect(
        abs((found ?? .nan) - wanted) <= tolerance,
        "\(name) \(statistic): \(String(describing: found)), expected \(wanted)")
    }
    near("negativeLogLikelihood", "mean", nats / 140, 1e-6)
    near("perplexity", "value", exp(nats / 140), 1e-3)
    near("logitKL", "mean", divergences.reduce(0, +) / 140, 2e-7)
    let sorted = divergences.sorted()
    near("logitKL", "p95", sorted[132] + 0.05 * (sorted[133] - sorted[132]), 2e-7)
    near("topOneAgreement", "mean", Double(agreements) / 140, 1e-12)
    #expect(agreements > 0 && agreements < 140)

    #expect(units.map(\.tokens) == [64, 6, 64, 6])
    #expect(units.map(\.sample) == [0, 0, 1, 1])
    #expect(units.map(\.index) == [0, 1, 0, 1])
    #expect(units.map(\.place) == [100, 164, 100, 164])
    let sum = units.reduce(0) { $0 + $1.negativeLogLikelihood! }
    #expect(abs(sum - nats) < 1e-4)
    #expect(units.reduce(0) { $0 + $1.topOneAgreements! } == agreements)
    #expect(abs(units[1].logitKL! - divergences[64..<70].reduce(0, +)) < 1e-6)
  }

  @Test("Logits that are nearly the dense ones have a KL near its tiny true value, never below 0")
  func smallDivergence() throws {
    for seed in 0..<6 {
      let dense = logits(49_152, seed: seed)
      let sparse = dense.enumerated().map { $0.offset % 7 == 0 ? $0.element + 1e-3 : $0.element }
      var quality = QualityMeasure()
      quality.beginSample(firstScoredPosition: 0)
      quality.observe(sparse.span, dense: dense.span, target: 0)
      let found = value(try quality.finish().measurements, "logitKL", "mean")!
      #expect(found >= 0 && abs(found - divergence(dense, sparse)) < 2e-7)
    }
  }

  @Test("The dense run is at distance 0 from itself; without a dense run there is no distance")
  func oneSpan() throws {
    let row = logits(100, seed: 1)
    var dense = QualityMeasure()
    dense.beginSample(firstScoredPosition: 0)
    dense.observeDense(row.span, target: 3)
    let measured = try dense.finish()
    #expect(value(measured.measurements, "logitKL", "mean") == 0)
    #expect(value(measured.measurements, "topOneAgreement", "mean") == 1)
    #expect(measured.units[0].logitKL == 0 && measured.units[0].topOneAgreements == 1)

    var alone = QualityMeasure()
    alone.beginSample(firstScoredPosition: 0)
    alone.observe(row.span, target: 3)
    let other = try alone.finish()
    #expect(other.measurements.map(\.name) == ["negativeLogLikelihood", "perplexity"])
    #expect(other.units[0].logitKL == nil && other.units[0].topOneAgreements == nil)
    #expect(other.measurements[0] == measured.measurements[0])
  }

  @Test("A score that is no number is an error that names its place")
  func notANumber() {
    var quality = QualityMeasure()
    quality.beginSample(firstScoredPosition: 10)
    var row = logits(50, seed: 2)
    quality.observe(row.span, target: 0)
    row[7] = .nan
    quality.observe(row.span, target: 0)
    let error = #expect(throws: QualityFailure.self) { try quality.finish() }
    #expect(error?.position == 11 && error?.sample == 0)
    #expect(
      error?.description
        == "the token at position 11 of sample 0 has no finite score: negative log-likelihood nan "
        + "(half floats of a cache end at 65,504; \"cache\": \"f32\" has room for more)")
  }

  @Test("No scored token, no figures")
  func nothing() throws {
    let (measurements, units) = try QualityMeasure().finish()
    #expect(measurements.isEmpty && units.isEmpty)
  }
}
