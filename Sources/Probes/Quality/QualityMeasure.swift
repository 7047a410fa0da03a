import Foundation
import Kernels
import Records

/// How well a run predicts the tokens that follow, and how near its predictions are to the dense
/// run's.
///
/// Scored tokens arrive one by one, with the logits that predict them:
///
///     var quality = QualityMeasure()
///     quality.beginSample(firstScoredPosition: 1024)
///     quality.observe(logits, dense: denseLogits, target: token)      // a strategy
///     quality.observeDense(denseLogits, target: token)                // the dense run itself
///     let (measurements, units) = try quality.finish()
///
/// Per token: negative log-likelihood −ln softmax(logits)[target], KL(full ‖ sparse) of the two
/// distributions, and whether both have the same most likely token; all in nats, log-sum-exp in
/// Double. Sums are kept by segment of 64 consecutive scored tokens, the unit of the statistics;
/// the last segment of a sample may be shorter.
public struct QualityMeasure: Sendable {
  public static let segmentTokens = 64

  private var units: [ScoredUnit] = []
  private var sample = -1
  private var position = 0
  private var segment: Segment?
  private var divergences: [Double] = []
  private var tokens = 0
  private var negativeLogLikelihood = 0.0
  private var agreements = 0
  private var comparedTokens = 0
  private var failure: QualityFailure?

  public init() {}

  /// Starts the next sample, whose first scored token has this position.
  public mutating func beginSample(firstScoredPosition: Int) {
    closeSegment()
    sample += 1
    position = firstScoredPosition
  }

  /// A scored token of a strategy's run; the spans hold one logit for each token of the vocabulary.
  public mutating func observe(_ logits: Span<Float>, dense: Span<Float>, target: Int32) {
    let divergence = OutputDifference.divergence(of: logits, from: dense)
    add(
      negativeLogLikelihood: divergence.logSumExp - Self.logit(of: target, in: logits),
      divergence: divergence.kullbackLeibler, agrees: divergence.agreesOnLargest)
  }

  /// A scored token of the dense run itself: its distance to the dense run is 0.
  public mutating func observeDense(_ logits: Span<Float>, target: Int32) {
    add(
      negativeLogLikelihood: Softmax.logSumExp(logits) - Self.logit(of: target, in: logits),
      divergence: 0, agrees: true)
  }

  /// A scored token of a run that has no dense one beside it: no KL, no agreement.
  public mutating func observe(_ logits: Span<Float>, target: Int32) {
    add(
      negativeLogLikelihood: Softmax.logSumExp(logits) - Self.logit(of: target, in: logits),
      divergence: nil, agrees: nil)
  }

  /// The figures over all scored tokens of all samples, and the segments by sample. Figures that
  /// compare with the dense run are absent unless every token had one.
  ///
  /// Throws if a token's figures are no numbers.
  public consuming func finish() throws(QualityFailure) -> (
    measurements: [Records.Measurement], units: [ScoredUnit]
  ) {
    closeSegment()
    if let failure { throw failure }
    guard tokens > 0 else { return ([], []) }
    let mean = negativeLogLikelihood / Double(tokens)
    var measurements = [
      MetricCatalogue.negativeLogLikelihood.measurement("mean", value: mean),
      MetricCatalogue.perplexity.measurement("value", value: exp(mean)),
    ]
    if comparedTokens == tokens {
      measurements += [
        MetricCatalogue.logitKL.measurement(
          "mean", value: divergences.reduce(0, +) / Double(tokens)),
        MetricCatalogue.logitKL.measurement("p95", value: divergences.quantile(0.95)),
        MetricCatalogue.topOneAgreement.measurement(
          "mean", value: Double(agreements) / Double(tokens)),
      ]
    }
    return (measurements, units)
  }

  // MARK: Segments

  private struct Segment: Sendable {
    var unit: ScoredUnit
    var comparedTokens = 0
  }

  private mutating func add(negativeLogLikelihood nats: Double, divergence: Double?, agrees: Bool?)
  {
    precondition(sample >= 0, "QualityMeasure.observe: call beginSample first")
    if !(nats.isFinite && divergence?.isFinite != false) && failure == nil {
      failure = QualityFailure(
        sample: sample, position: position, negativeLogLikelihood: nats, logitKL: divergence)
    }
    if segment == nil {
      segment = Segment(
        unit: ScoredUnit(
          sample: sample,
          index: units.last?.sample == sample ? units[units.count - 1].index + 1 : 0,
          place: Double(position), tokens: 0, negativeLogLikelihood: 0, logitKL: 0,
          topOneAgreements: 0))
    }
    segment?.unit.tokens += 1
    segment?.unit.negativeLogLikelihood? += nats
    tokens += 1
    negativeLogLikelihood += nats
    if let divergence, let agrees {
      segment?.unit.logitKL? += divergence
      segment?.unit.topOneAgreements? += agrees ? 1 : 0
      segment?.comparedTokens += 1
      divergences.append(divergence)
      agreements += agrees ? 1 : 0
      comparedTokens += 1
    }
    position += 1
    if segment?.unit.tokens == Self.segmentTokens { closeSegment() }
  }

  private mutating func closeSegment() {
    guard var closed = segment else { return }
    if closed.comparedTokens < closed.unit.tokens {
      closed.unit.logitKL = nil
      closed.unit.topOneAgreements = nil
    }
    units.append(closed.unit)
    segment = nil
  }

  private static func logit(of target: Int32, in logits: Span<Float>) -> Double {
    precondition(
      target >= 0 && target < logits.count,
      "QualityMeasure: token \(target) of \(logits.count) logits")
    return Double(logits[Int(target)])
  }
}

/// A scored token whose figures are no numbers: the run's logits overflowed or were never computed.
public struct QualityFailure: Error, Sendable, Hashable, CustomStringConvertible {
  public var sample: Int
  public var position: Int
  public var negativeLogLikelihood: Double
  public var logitKL: Double?

  public var description: String {
    "the token at position \(position) of sample \(sample) has no finite score: negative log-likelihood \(negativeLogLikelihood)"
      + (logitKL.map { ", KL to the dense run \($0)" } ?? "")
      + " \(endOfHalfFloats)"
  }
}
