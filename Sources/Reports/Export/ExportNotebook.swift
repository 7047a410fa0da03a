/// The notebook of an export: reads its tables, works the differences out again, and draws what the experiment has.
struct ExportNotebook {
  private let report: Report

  init(_ report: Report) { self.report = report }

  var notebook: Notebook { Notebook(cells: opening + quality + growth + closing) }

  private func table(_ name: String) -> DataTable? { report.data.first { $0.name == name } }

  // MARK: What there is to draw

  private var hasQuality: Bool { table("cluster") != nil && table("quality_difference") != nil }
  private var hasPools: Bool { hasQuality && table("pooled_difference") != nil }

  private var hasBytes: Bool {
    ["mean_kv_cache_resident_bytes_ratio", "kv_cache_resident_bytes_ratio"].contains {
      table("comparison")?.hasValues($0) == true
    }
  }

  /// Several texts, or tasks, at which strategies can be compared one by one.
  private var hasTexts: Bool {
    hasQuality && (table("quality_difference")?.values(of: "task_label").count ?? 0) > 1
  }

  private var hasGrowth: Bool {
    guard let comparison = table("comparison"), comparison.values(of: "context_length").count > 1
    else { return false }
    return ["time_to_first_token", "time_per_output_token", "kv_cache_resident_bytes"]
      .contains(where: comparison.hasValues)
  }

  // MARK: Cells

  private var opening: [Notebook.Cell] {
    let title = MarkdownRenderer.line(report.title)
    let question = MarkdownRenderer.line(report.question)
    return [
      .markdown(
        "title",
        "# \(title)\n" + (question.isEmpty ? "" : "\n\(question)\n") + """

          Written by `tca-lab export`. The tables beside it are the report's own data, one observation a row; `dictionary.json` and
          `README.md` say what each column means. Everything below is worked out from them: change it as you like.
          """),
      .code("tables", NotebookSource.tables(hasQuality ? ["cluster", "quality_difference"] : [])),
      .code("looks", NotebookSource.looks),
    ]
  }

  private var quality: [Notebook.Cell] {
    guard hasQuality else { return [] }
    var cells: [Notebook.Cell] = [
      .markdown(
        "quality",
        """
        ## Quality against full attention

        Strategy minus full, on the same windows of a text or the same prompts: nats a token (lower is better), or score (higher
        is better). Differences are worked out again from `cluster.csv`, and held against the report's; the intervals are the
        report's.
        """),
      .code("differences", NotebookSource.differences),
    ]
    if hasPools { cells.append(.code("pools", NotebookSource.pools)) }
    if hasBytes {
      cells += [
        .markdown(
          "frontier-question", "### What is paid in quality for fewer bytes?"),
        .code("frontier", NotebookSource.frontier(hasPools: hasPools)),
      ]
    }
    if hasTexts {
      cells += [
        .markdown("texts-question", "### Where does it break?"),
        .code("texts", NotebookSource.texts),
      ]
    }
    return cells
  }

  private var growth: [Notebook.Cell] {
    guard hasGrowth else { return [] }
    return [
      .markdown("growth-question", "## How do time and bytes grow with the context?"),
      .code("growth", NotebookSource.growth),
    ]
  }

  private var closing: [Notebook.Cell] {
    [
      .markdown("numbers-question", "## For programs"),
      .code("numbers", NotebookSource.numbers),
    ]
  }
}

extension DataTable {
  fileprivate func hasValues(_ column: String) -> Bool {
    columns.firstIndex(of: column).map { place in rows.contains { $0[place] != .missing } } ?? false
  }

  fileprivate func values(of column: String) -> Set<Value> {
    columns.firstIndex(of: column).map { place in Set(rows.map { $0[place] }) } ?? []
  }
}
