import Foundation
import Records
import Testing

@testable import Reports

/// Made-up experiments whose true difference is known: how often an interval holds it, how often a verdict is wrong,
/// how often a true difference is found, and how wide the interval is beside Student's t.
struct CoverageSimulation {
  struct Design: CustomTestStringConvertible, Sendable {
    var name: String
    var clusters: Int
    var unitsPerCluster: Int
    /// Student's t at 97.5 % for one degree of freedom less than there are clusters, from a table.
    var t: Double

    var testDescription: String { name }
  }

  /// What a method says of the differences of units, cluster by cluster.
  struct Answer {
    var interval: Interval
    /// -1 better, 1 worse, 0 not decided.
    var verdict: Int
  }

  typealias Method = @Sendable (_ clusters: [[Double]], _ draw: Int) -> Answer?

  struct Outcome: CustomStringConvertible {
    var coverage: Double
    var falseVerdicts: Double
    var power: Double
    var widthRatio: Double

    var description: String {
      func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
      return
        "coverage \(percent(coverage)), verdicts without a difference \(percent(falseVerdicts)), "
        + "found at one standard deviation \(percent(power)), width \(String(format: "%.3f", widthRatio)) of t's"
    }

    /// What falls short of the promise; empty where it is kept.
    func shortfalls(correlation: Double, clusters: Int) -> [String] {
      var found: [String] = []
      if coverage < (correlation == 0 ? 0.93 : 0.92) { found.append("coverage") }
      if falseVerdicts > 0.06 { found.append("verdicts without a difference") }
      // Fewer clusters cannot find a difference of one standard deviation as often.
      if clusters >= 12 && power < 0.8 { found.append("power") }
      if widthRatio > 1.1 { found.append("width") }
      return found
    }
  }

  var design: Design
  /// Between the units of a cluster.
  var correlation: Double
  var draws = 20_000

  func outcome(of method: Method) -> Outcome {
    var noise = NormalNoise(seed: 7)
    let (between, within) = (correlation.squareRoot(), (1 - correlation).squareRoot())
    let spread = (correlation + (1 - correlation) / Double(design.unitsPerCluster)).squareRoot()
    var (covered, wrong, found) = (0, 0, 0)
    var widths: [Double] = []
    for draw in 0..<draws {
      let clusters = (0..<design.clusters).map { _ in
        let own = between * noise.next()
        return (0..<design.unitsPerCluster).map { _ in own + within * noise.next() }
      }
      guard let answer = method(clusters, draw) else { continue }
      if answer.interval.contains(0) { covered += 1 }
      if answer.verdict != 0 { wrong += 1 }
      let better = method(clusters.map { $0.map { $0 - spread } }, draw)
      if better?.verdict == -1 { found += 1 }
      widths.append((answer.interval.high - answer.interval.low) / width(of: clusters))
    }
    func share(_ count: Int) -> Double { Double(count) / Double(draws) }
    return Outcome(
      coverage: share(covered), falseVerdicts: share(wrong), power: share(found),
      widthRatio: widths.median ?? .infinity)
  }

  /// Of Student's t on the means of clusters.
  private func width(of clusters: [[Double]]) -> Double {
    let means = clusters.map { $0.reduce(0, +) / Double($0.count) }
    let mean = means.reduce(0, +) / Double(means.count)
    let variance =
      means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(means.count - 1)
    return 2 * design.t * (variance / Double(means.count)).squareRoot()
  }
}

/// Normal numbers by Box and Muller, the same on every machine.
struct NormalNoise {
  private var generator: SeededGenerator
  private var spare: Double?

  init(seed: Int) { generator = SeededGenerator(seed: seed, purpose: "simulation") }

  mutating func next() -> Double {
    if let spare {
      self.spare = nil
      return spare
    }
    let radius = (-2 * log(1 - generator.unit())).squareRoot()
    let angle = 2 * Double.pi * generator.unit()
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}
