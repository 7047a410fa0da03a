import Records

extension ExperimentAnalysis {
  /// Bytes as allocated and as counted.
  var memorySection: ReportSection {
    let columns =
      AnalysedRow.nameColumns + [
        .init("KV cache", unit: "MiB", .lower), .init("ratio", .lower),
        .init("at the end", unit: "MiB", .lower), .init("logical", unit: "MiB", .lower),
        .init("retained fraction", .lower), .init("workspace", unit: "MiB", .lower),
        .init("peak resident", unit: "MiB", .lower), .init("peak ratio", .lower),
      ]
    let shown: [ComparisonColumn] = [
      .kvCacheResidentBytes, .finalKVCacheResidentBytes, .kvCacheLogicalBytes, .workspaceBytes,
      .peakResidentBytes,
    ]
    let measured = rows.filter { analysed in shown.contains { analysed.row[$0] != nil } }
    let table = ReportTable(
      columns: columns,
      rows: measured.map { analysed in
        let row = analysed.row
        return analysed.names + [
          NumberText.mebibytes(row[.kvCacheResidentBytes]),
          NumberText.fixed(row[.kvCacheResidentBytesRatio], 3),
          NumberText.mebibytes(row[.finalKVCacheResidentBytes]),
          NumberText.mebibytes(row[.kvCacheLogicalBytes]),
          NumberText.fixed(row[.retainedFraction], 3), NumberText.mebibytes(row[.workspaceBytes]),
          NumberText.mebibytes(row[.peakResidentBytes]),
          NumberText.fixed(row[.peakResidentBytesRatio], 3),
        ]
      }
    ).withoutEmptyColumns
    return ReportSection(
      "Memory",
      text: measured.isEmpty
        ? []
        : [
          "KV cache: allocated after the prefill's compaction. Logical: kept tokens x 2 x head dimension x element "
            + "size. Peak resident: of the whole process, mapped model pages included."
        ], tables: [table])
  }
}
