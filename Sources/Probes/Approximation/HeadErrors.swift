import Foundation
import Kernels
import Records

/// The errors of one query head of one layer in one phase, over the queries of a sample and the
/// samples of a cell.
///
/// Sums are in Double. Between samples: `relativeOutputError`, the last query's error,
/// `outputCosine`, the mean dropped mass and `retainedFraction` are the means of the samples' own
/// figures, each sample weighing the same; the worst query and the bound ratio are maxima; the
/// quantile and the maximum of γ are those of all samples' queries together, the quantile within
/// 0.4 % (``DroppedMassSummary``); densities are pairs of all samples over causal pairs of all
/// samples.
struct HeadErrors: Sendable {
  /// Queries with less dropped mass have no meaningful ratio to the bound: γ is good to about 2e-6.
  static let leastMassOfBoundRatio = 1e-4
  /// What the absolute check leaves to float arithmetic, as a share of M.
  static let boundSlack = 1e-5

  // The sample in progress.
  private var queries = 0
  private var squaredDifference = 0.0
  private var squaredReference = 0.0
  private var cosine = 0.0
  private var mass = 0.0
  private var lastError = 0.0
  private var retained = 0.0

  // The samples before it, and what needs no division by sample.
  private var samples = 0
  private var errorSum = 0.0
  private var lastErrorSum = 0.0
  private var cosineSum = 0.0
  private var massSum = 0.0
  private var retainedSum = 0.0
  private var worstError = 0.0
  /// Nil before the first, so that a head without masses takes no room.
  private var masses: DroppedMassSummary?
  private var boundRatio: Double?
  private var pairs = PairCounts()
  private var causalPairs = 0

  /// Takes in one query's output error.
  mutating func observe(_ sums: OutputDifference.RowSums) {
    queries += 1
    squaredDifference += sums.squaredDifference
    squaredReference += sums.squaredReference
    lastError = Self.ratio(
      sums.squaredDifference.squareRoot(), to: sums.squaredReference.squareRoot())
    if !(lastError <= worstError) { worstError = lastError }
    let norms = (sums.squaredOutput * sums.squaredReference).squareRoot()
    // Two zero rows agree; a zero row has no direction in common with another.
    cosine += norms > 0 ? sums.product / norms : (sums.squaredDifference == 0 ? 1 : 0)
  }

  /// Takes in the same query's dropped mass and gives the limit that it sets to the L1 error.
  ///
  /// `largestValue` is M = max over j ≤ i of ‖v_j‖₁.
  mutating func observe(
    droppedMass: Double, absoluteDifference: Double, largestValue: Double
  ) -> Double {
    mass += droppedMass
    if masses == nil { masses = DroppedMassSummary() }
    masses?.add(droppedMass)
    let bound = 2 * droppedMass * largestValue
    if droppedMass >= Self.leastMassOfBoundRatio, bound > 0 {
      boundRatio = max(boundRatio ?? 0, absoluteDifference / bound)
    }
    return bound + Self.boundSlack * largestValue
  }

  /// Takes in what a call counted, and the retained fraction after it.
  mutating func observe(pairs counts: PairCounts, causalPairs: Int, retainedFraction: Double) {
    pairs += counts
    self.causalPairs += causalPairs
    retained = retainedFraction
  }

  /// Closes the sample; nothing happens if no query was observed since the last.
  mutating func endSample() {
    guard queries > 0 else { return }
    samples += 1
    errorSum += Self.ratio(squaredDifference.squareRoot(), to: squaredReference.squareRoot())
    lastErrorSum += lastError
    cosineSum += cosine / Double(queries)
    massSum += mass / Double(queries)
    retainedSum += retained
    queries = 0
    squaredDifference = 0
    squaredReference = 0
    cosine = 0
    mass = 0
  }

  /// The cell's figures; nil if no sample had a query in this phase.
  func measurement(
    setting: ErrorSetting, phase: MeasuredPhase, layer: Int, queryHead: Int
  ) -> HeadMeasurement? {
    guard samples > 0 else { return nil }
    let count = Double(samples)
    return HeadMeasurement(
      setting: setting, phase: phase, layer: layer, queryHead: queryHead,
      relativeOutputError: errorSum / count, worstQueryError: worstError,
      lastQueryError: lastErrorSum / count, outputCosine: cosineSum / count,
      droppedMass: masses.map { _ in massSum / count },
      droppedMassP95: masses?.quantile(0.95),
      droppedMassMaximum: masses.map { Double($0.maximum) }, boundRatio: boundRatio,
      density: Double(pairs.computed) / Double(causalPairs),
      nominalDensity: Double(pairs.nominal) / Double(causalPairs),
      retainedFraction: retainedSum / count)
  }

  /// difference / norm, 0 where there is no difference; finite also for a norm of 0.
  private static func ratio(_ difference: Double, to norm: Double) -> Double {
    difference == 0 ? 0 : difference / max(norm, Double(Float.leastNormalMagnitude))
  }
}
