import Records

/// Which bytes of the KV cache stand for a strategy, by themselves or as a ratio to full's on the same task.
///
/// The first that was measured: the mean over decode steps of what the kept tokens need in layers without a window of
/// their own, which is what budgets of `meanKvBytes` match; else the mean of what is allocated; else what is allocated
/// after the prompt.
enum ByteShare: CaseIterable {
  case meanLogical, meanResident, afterPrompt

  var column: ComparisonColumn {
    switch self {
    case .meanLogical: .globalMeanKVCacheLogicalBytes
    case .meanResident: .meanKVCacheResidentBytes
    case .afterPrompt: .kvCacheResidentBytes
    }
  }

  /// Over full's.
  func value(_ row: AnalysedRow) -> Double? {
    ComparisonColumn(rawValue: column.rawValue + "_ratio").flatMap { row.row[$0] }
  }

  /// For an axis.
  var words: String {
    switch self {
    case .meanLogical, .meanResident: "mean KV bytes"
    case .afterPrompt: "KV bytes after the prompt"
    }
  }

  /// A sentence for where there is room.
  var explanation: String {
    switch self {
    case .meanLogical:
      "KV bytes: what the tokens held need, mean over decode steps, in layers without a window of their own."
    case .meanResident: "KV bytes: allocated, mean over decode steps."
    case .afterPrompt: "KV bytes: allocated after the prompt."
    }
  }
}

extension Pool {
  /// Of full's bytes; nil where they were not measured.
  func byteShare(of label: String) -> Double? { byteShare.flatMap { mean(label, $0.value) } }

  /// `the float16 cache`, `full's cache (f32)`: what shares are of.
  var byteReference: String {
    let format = full.flatMap { cells(of: $0)?.first?.cell.cache } ?? ""
    return format == "f16" ? "the float16 cache" : "full's cache (\(format))"
  }
}

extension ParetoPoint {
  /// Of full's bytes; nil where they were not measured.
  var share: Double? { pool.byteShare(of: label) }
}
