import Records

extension ExperimentAnalysis {
  /// Bytes as allocated and as counted.
  var memorySection: ReportSection {
    let shown: [ComparisonColumn] = [
      .kvCacheResidentBytes, .finalKVCacheResidentBytes, .kvCacheLogicalBytes, .workspaceBytes,
      .peakResidentBytes,
    ]
    let measured = rows.filter { analysed in shown.contains { analysed.row[$0] != nil } }
    let hasWindows = measured.contains { $0.row[.windowKVCacheResidentBytes] != nil }
    let table = ReportTable(
      measured,
      ColumnRule.names + [.figure("KV cache", .kvCacheResidentBytes, .mebibytes)]
        + (hasWindows ? [.figure("of it windows", .windowKVCacheResidentBytes, .mebibytes)] : [])
        + [
          .figure("ratio", .kvCacheResidentBytesRatio, .fixed(3)),
          .figure("mean", .meanKVCacheResidentBytes, .mebibytes),
          .figure("at the end", .finalKVCacheResidentBytes, .mebibytes),
          .figure("peak", .peakKVCacheResidentBytes, .mebibytes),
          .figure("logical", .kvCacheLogicalBytes, .mebibytes),
          .figure("logical mean, global layers", .globalMeanKVCacheLogicalBytes, .mebibytes),
        ]
        + (measured.contains { $0.row.matchStatus != nil }
          ? [.words("match") { .text($0.row.matchStatus?.rawValue ?? "") }] : [])
        + [
          .figure("retained fraction", .retainedFraction, .fixed(3)),
          .figure("workspace", .workspaceBytes, .mebibytes),
          .figure("peak resident", .peakResidentBytes, .mebibytes),
          .figure("peak ratio", .peakResidentBytesRatio, .fixed(3)),
        ])
    return ReportSection(
      title: "Memory",
      text: [
        "KV cache: allocated after the prefill's compaction; mean: over decode steps; peak: at any time, the prompt's passage "
          + "through the layers included. Logical: kept tokens x 2 x head dimension x element "
          + "size. Peak resident: of the whole process, mapped model pages included."
          + (hasWindows
            ? " Layers with a window of their own hold that whatever the strategy; budgets are over the others."
            : "")
      ], tables: [table])
  }
}
