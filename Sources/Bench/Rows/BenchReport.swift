import Reports

/// A run of the bench as a Markdown page.
public struct BenchReport {
  private let result: BenchResult

  public init(_ result: BenchResult) { self.result = result }

  public var markdown: String {
    var text = """
      # Performance

      Written by `tca-lab bench`; made again by the command below. Medians; ± is half the distance between the quartiles.
      A ratio is the row's value over its reference, measured in the same run. A verdict is *met* where every target of the row
      is reached, *short* where one is missed, *no peer* where a reference with a target was not measured or there is none.
      [What is measured, and what was tried](../../docs/performance.md).

      """
    text += "\n| | |\n|---|---|\n"
    for (name, value) in result.provenance.lines {
      text += "| \(name) | \(MarkdownRenderer.cell(value)) |\n"
    }
    if let warning = result.provenance.ceilingWarning { text += "\nNote: \(warning).\n" }
    text += "\n" + table
    text += "\n## What the rows are\n\n"
    for row in result.rows {
      text += "- `\(row.name.rawValue)`: \(row.name.summary); \(row.samples) samples."
      let details = row.details.sorted { $0.key < $1.key }
        .map { "\($0.key) \(BenchTable.text($0.value))" }
      if !details.isEmpty { text += " " + details.joined(separator: ", ") + "." }
      for note in row.notes { text += " " + note + "." }
      text += "\n"
    }
    let problems = problems
    if !problems.isEmpty {
      text += "\n## Not measured\n\n"
      for problem in problems { text += "- \(problem)\n" }
    }
    return text
  }

  private var table: String {
    let header = BenchTable.header
    let align = header.indices.map { BenchTable.rightAligned.contains($0) ? "---:" : "---" }
    let lines =
      [header, align] + BenchTable(result.rows).cells.map { $0.map(MarkdownRenderer.cell) }
    return lines.map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
  }

  /// Each reason once, with the rows that it left without a figure.
  private var problems: [String] {
    var rows: [(reason: String, names: [String])] = []
    for row in result.rows {
      for reference in row.references {
        guard let problem = reference.problem else { continue }
        let reason = "\(reference.name): \(problem)"
        if let place = rows.firstIndex(where: { $0.reason == reason }) {
          rows[place].names.append(row.name.rawValue)
        } else {
          rows.append((reason, [row.name.rawValue]))
        }
      }
    }
    return rows.map { "\($0.names.joined(separator: ", ")): \($0.reason)" }
  }
}
