/// One measured row of `tca-lab bench`.
public struct BenchRow: Sendable, Hashable {
  public var name: BenchRowName
  /// The median, in the unit of ``name``.
  public var value: Double
  /// Half the distance between the quartiles over the median; nil for one sample.
  public var spread: Double?
  /// How many samples the median is of.
  public var samples: Int
  public var references: [BenchReference]
  /// Other figures that belong to it, such as a density, by name.
  public var details: [String: Double]
  /// What a reader has to know to judge it.
  public var notes: [String]

  public init(
    _ name: BenchRowName, value: Double, spread: Double? = nil, samples: Int = 1,
    references: [BenchReference] = [], details: [String: Double] = [:], notes: [String] = []
  ) {
    self.name = name
    self.value = value
    self.spread = spread
    self.samples = samples
    self.references = references
    self.details = details
    self.notes = notes
  }

  /// The median of `samples`, of which there is at least one.
  public init(
    _ name: BenchRowName, samples: [Double], references: [BenchReference] = [],
    details: [String: Double] = [:], notes: [String] = []
  ) {
    self.init(
      name, value: samples.median ?? .nan, spread: samples.spread, samples: samples.count,
      references: references, details: details, notes: notes)
  }
}

// MARK: - Judging

/// Whether a row reaches what it is to reach.
public enum BenchVerdict: String, Sendable, Hashable {
  /// Every reference with a target was measured, and its target is reached.
  case met
  /// The target of some reference is missed.
  case short
  /// No target is missed, but a reference that has one was not measured, or there is none with a
  /// target.
  case noPeer = "no peer"
}

extension BenchRow {
  /// Value / reference; nil where the reference was not measured.
  public func ratio(to reference: BenchReference) -> Double? {
    guard let other = reference.value, other > 0, other.isFinite, value.isFinite else { return nil }
    return value / other
  }

  /// How far the target is reached: 1 exactly, more is better, whichever direction is better. Nil
  /// without a ratio or a target.
  public func margin(to reference: BenchReference) -> Double? {
    guard let ratio = ratio(to: reference), let target = reference.target else { return nil }
    return name.better == .higher ? ratio / target : target / max(ratio, .leastNormalMagnitude)
  }

  /// The reference that a row in one line shows: the measured one whose target is hardest to reach,
  /// or else the first that was measured.
  public var decidingReference: BenchReference? {
    let judged = references.compactMap { reference in
      margin(to: reference).map { (reference, $0) }
    }
    if let hardest = judged.min(by: { $0.1 < $1.1 }) { return hardest.0 }
    return references.first { ratio(to: $0) != nil }
  }

  public var verdict: BenchVerdict {
    let targeted = references.filter { $0.target != nil }
    let margins = targeted.map(margin)
    if margins.contains(where: { ($0 ?? 1) < 1 }) { return .short }
    return targeted.isEmpty || margins.contains(nil) ? .noPeer : .met
  }
}

extension [Double] {
  /// Half the distance between the quartiles (nearest ranks) over the median; nil for fewer than
  /// two values or a median of 0.
  public var spread: Double? {
    guard count > 1, let median, median > 0 else { return nil }
    let sorted = sorted()
    return (sorted[(count * 3) / 4] - sorted[count / 4]) / 2 / median
  }
}
