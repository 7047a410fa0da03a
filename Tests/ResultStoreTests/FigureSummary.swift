import Foundation
import Records

/// The columns of the `comparison` view for one cell, worked out from what was measured: the obvious version that
/// the view is held against.
struct FigureSummary {
  var measurements: [Measurement]
  var heads: [HeadMeasurement]
  var units: [ScoredUnit]
  /// The run's newest group that timed the cell.
  var group: TimingGroup?
  var identity: String
  var fullIdentity: String

  /// Everything but the ratios of bytes and perplexity, which need the full cell's figures.
  var figures: [ComparisonColumn: Double] {
    var figures: [ComparisonColumn: Double] = [:]
    addMeasurements(to: &figures)
    addApproximation(to: &figures)
    if !units.isEmpty {
      figures[.clusters] = Double(Set(units.map(\.sample)).count)
      figures[.sampleCount] = Double(Set(units.map(\.sample)).count)
      figures[.unitCount] = Double(units.count)
    }
    addTimes(to: &figures)
    return figures
  }

  /// The ratios of bytes and perplexity to the full cell.
  static func addRatios(to rows: inout [ComparisonRow]) {
    let ratios: [(ComparisonColumn, ComparisonColumn)] = [
      (.kvCacheResidentBytes, .kvCacheResidentBytesRatio),
      (.finalKVCacheResidentBytes, .finalKVCacheResidentBytesRatio),
      (.kvCacheLogicalBytes, .kvCacheLogicalBytesRatio), (.workspaceBytes, .workspaceBytesRatio),
      (.meanKVCacheResidentBytes, .meanKVCacheResidentBytesRatio),
      (.peakKVCacheResidentBytes, .peakKVCacheResidentBytesRatio),
      (.globalMeanKVCacheResidentBytes, .globalMeanKVCacheResidentBytesRatio),
      (.globalMeanKVCacheLogicalBytes, .globalMeanKVCacheLogicalBytesRatio),
      (.peakResidentBytes, .peakResidentBytesRatio), (.perplexity, .perplexityRatio),
    ]
    var figures: [String: [ComparisonColumn: Double]] = [:]
    for row in rows { figures[row.planned.cell.identity] = row.figures }
    for index in rows.indices {
      let dense = figures[rows[index].planned.fullIdentity] ?? [:]
      for (column, ratio) in ratios {
        guard let own = rows[index].figures[column], let full = dense[column], full != 0
        else { continue }
        rows[index].figures[ratio] = own / full
      }
    }
  }

  /// Student's t over windows: mean over a window's tokens, then over windows.
  static func addIntervals(to rows: inout [ComparisonRow]) {
    func windows(_ units: [ScoredUnit]) -> [Int: Double] {
      Dictionary(grouping: units.filter { $0.negativeLogLikelihood != nil }, by: \.sample)
        .mapValues { units in
          units.reduce(0) { $0 + ($1.negativeLogLikelihood ?? 0) }
            / units.reduce(0) { $0 + Double($1.tokens) }
        }
    }
    let full = Dictionary(
      rows.map { ($0.planned.cell.identity, windows($0.units)) },
      uniquingKeysWith: { first, _ in first })
    for index in rows.indices where !rows[index].isFull {
      let dense = full[rows[index].planned.fullIdentity] ?? [:]
      let differences = windows(rows[index].units).compactMap { sample, loss in
        dense[sample].map { loss - $0 }
      }
      guard differences.count >= 8, let mean = differences.mean else { continue }
      let count = Double(differences.count)
      let squares = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let half =
        (squares / (count - 1) / count).squareRoot()
        * StudentT(degrees: differences.count - 1).halfWidth(covering: 0.95)
      rows[index].figures[.perplexityRatioLow] = exp(mean - half)
      rows[index].figures[.perplexityRatioHigh] = exp(mean + half)
    }
  }

  private func addMeasurements(to figures: inout [ComparisonColumn: Double]) {
    for column in ComparisonColumn.allCases {
      guard let name = column.measurementName else { continue }
      let statistics = column == .logitKLP95 ? ["p95"] : ["value", "mean"]
      let newest = measurements.last { $0.name == name && statistics.contains($0.statistic) }
      figures[column] = newest?.value
    }
  }

  private func addApproximation(to figures: inout [ComparisonColumn: Double]) {
    typealias Column = ComparisonColumn
    let families: [(ErrorSetting, MeasuredPhase, Column, Column, Column, Column, Column, Column)] =
      [
        (
          .isolated, .prefill, .relativeOutputError, .worstRelativeOutputError, .droppedMass,
          .worstDroppedMass, .outputCosine, .worstOutputCosine
        ),
        (
          .propagated, .prefill, .propagatedRelativeOutputError,
          .propagatedWorstRelativeOutputError, .propagatedDroppedMass,
          .propagatedWorstDroppedMass, .propagatedOutputCosine, .propagatedWorstOutputCosine
        ),
        (
          .isolated, .decode, .decodeRelativeOutputError, .decodeWorstRelativeOutputError,
          .decodeDroppedMass, .decodeWorstDroppedMass, .decodeOutputCosine,
          .decodeWorstOutputCosine
        ),
        (
          .propagated, .decode, .propagatedDecodeRelativeOutputError,
          .propagatedDecodeWorstRelativeOutputError, .propagatedDecodeDroppedMass,
          .propagatedDecodeWorstDroppedMass, .propagatedDecodeOutputCosine,
          .propagatedDecodeWorstOutputCosine
        ),
      ]
    for (setting, phase, error, worstError, mass, worstMass, cosine, worstCosine) in families {
      let rows = heads.filter { $0.setting == setting && $0.phase == phase }
      figures[error] = rows.map(\.relativeOutputError).mean
      figures[worstError] = rows.map(\.worstQueryError).max()
      figures[mass] = rows.compactMap(\.droppedMass).mean
      figures[worstMass] = rows.compactMap(\.droppedMassMaximum).max()
      figures[cosine] = rows.map(\.outputCosine).mean
      figures[worstCosine] = rows.map(\.outputCosine).min()
    }
    figures[.boundRatio] = heads.compactMap(\.boundRatio).max()
    addDensities(
      of: .prefill, density: .density, nominal: .nominalDensity, retained: .retainedFraction,
      to: &figures)
    addDensities(
      of: .decode, density: .decodeDensity, nominal: .decodeNominalDensity,
      retained: .decodeRetainedFraction, to: &figures)
  }

  /// Of the isolated setting, or of the other where there is only that; a measurement stays where there are no heads.
  private func addDensities(
    of phase: MeasuredPhase, density: ComparisonColumn, nominal: ComparisonColumn,
    retained: ComparisonColumn, to figures: inout [ComparisonColumn: Double]
  ) {
    var rows = heads.filter { $0.setting == .isolated && $0.phase == phase }
    if rows.isEmpty { rows = heads.filter { $0.phase == phase } }
    guard !rows.isEmpty else { return }
    figures[density] = rows.map(\.density).mean
    figures[nominal] = rows.map(\.nominalDensity).mean
    figures[retained] = rows.map(\.retainedFraction).mean
  }

  private func addTimes(to figures: inout [ComparisonColumn: Double]) {
    guard let group else { return }
    let own = group.samples.filter { $0.identity == identity && !$0.isWarmup }
    let dense = group.samples.filter { $0.identity == fullIdentity && !$0.isWarmup }
    figures[.repeatCount] = own.isEmpty ? nil : Double(own.count)
    for figure in TimeFigure.allCases {
      figures[figure.column] = own.compactMap(figure.value).median
      guard let ratio = figure.ratioColumn else { continue }
      figures[ratio] =
        own.compactMap { sample in
          guard
            let full = dense.first(where: { $0.repetition == sample.repetition }),
            let below = figure.value(full), below != 0, let above = figure.value(sample)
          else { return nil }
          return above / below
        }.median
    }
  }
}
