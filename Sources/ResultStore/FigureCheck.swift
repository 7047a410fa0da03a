import Records

/// SQLite stores NaN as null, which would read as "does not exist": it is refused here instead.
private func refuseNaN(
  _ values: [(String, Double?)], of place: @autoclosure () -> String, file: String
) throws(StoreError) {
  for (name, value) in values where value?.isNaN == true {
    throw StoreError(
      .invalidFigure, file: file, "\(name) of \(place()) is not a number; nothing was stored",
      advice: "A figure that does not exist has no value; this one was computed wrongly.")
  }
}

extension CellResults {
  func check(file: String) throws(StoreError) {
    for measurement in measurements {
      try refuseNaN([(measurement.name, measurement.value)], of: "cell \(identity)", file: file)
    }
    for head in heads {
      try refuseNaN(
        [
          ("relativeOutputError", head.relativeOutputError),
          ("worstQueryError", head.worstQueryError), ("lastQueryError", head.lastQueryError),
          ("outputCosine", head.outputCosine), ("droppedMass", head.droppedMass),
          ("droppedMassP95", head.droppedMassP95),
          ("droppedMassMaximum", head.droppedMassMaximum), ("boundRatio", head.boundRatio),
          ("density", head.density), ("nominalDensity", head.nominalDensity),
          ("retainedFraction", head.retainedFraction),
        ],
        of: "layer \(head.layer), query head \(head.queryHead) of cell \(identity)", file: file)
    }
    for unit in units {
      try refuseNaN(
        [
          ("place", unit.place), ("negativeLogLikelihood", unit.negativeLogLikelihood),
          ("logitKL", unit.logitKL), ("score", unit.score),
        ], of: "sample \(unit.sample), unit \(unit.index) of cell \(identity)", file: file)
    }
  }
}

extension TimingGroup {
  func check(file: String) throws(StoreError) {
    for sample in samples {
      try refuseNaN(
        [
          ("timeToFirstToken", sample.timeToFirstToken),
          ("timePerOutputToken", sample.timePerOutputToken),
          ("attentionTime", sample.attentionTime), ("selectionTime", sample.selectionTime),
          ("compactionTime", sample.compactionTime), ("otherTime", sample.otherTime),
          ("decodeAttentionTime", sample.decodeAttentionTime),
          ("decodeSelectionTime", sample.decodeSelectionTime),
          ("decodeCompactionTime", sample.decodeCompactionTime),
          ("decodeOtherTime", sample.decodeOtherTime),
        ], of: "repetition \(sample.repetition) of cell \(sample.identity)", file: file)
    }
    for (identity, measurements) in measurements {
      try CellResults(identity: identity, kinds: [], measurements: measurements).check(file: file)
    }
  }
}
