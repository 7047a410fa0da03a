import JSON

/// An experiment's data for a reader's own work: its tables as CSV, what their columns mean, and a notebook that draws them.
public struct ExperimentExport {
  private let report: Report

  /// - Parameter report: of one experiment.
  public init(_ report: Report) { self.report = report }

  public static let notebookName = "notebook.ipynb"

  /// `dictionary.json`, `README.md`, the notebook, and a CSV file for each table. Equal results, equal bytes.
  public var files: [ReportFile] {
    [
      ReportFile(name: "README.md", text: readme),
      ReportFile(name: "dictionary.json", text: dictionary.prettyText + "\n"),
      ReportFile(name: Self.notebookName, text: ExportNotebook(report).notebook.text),
    ] + CSVRenderer().files(of: report)
  }

  private func meaning(of column: String, in table: DataTable) -> ColumnMeaning {
    ColumnMeaning.of(column, in: table.name) ?? ColumnMeaning("", "")
  }

  // MARK: For programs

  private var dictionary: JSONValue {
    [
      "experiment": .string(report.title), "question": .string(report.question),
      "tables": .array(
        report.data.map { table -> JSONValue in
          [
            "name": .string(table.name), "file": .string(CSVRenderer.fileName(of: table)),
            "rows": .integer(table.rows.count),
            "meaning": .string(ColumnMeaning.tables[table.name] ?? ""),
            "columns": .array(
              table.columns.map { column -> JSONValue in
                let meaning = meaning(of: column, in: table)
                return [
                  "name": .string(column), "unit": .string(meaning.unit),
                  "meaning": .string(meaning.text),
                ]
              }),
          ]
        }),
    ]
  }

  // MARK: For people

  private var readme: String {
    let intro = ReportSection(
      title: "What is here",
      text: [
        "Written by tca-lab export from a result database. notebook.ipynb reads the tables with pandas and draws them with matplotlib; "
          + "of a checkout, scripts/notebook executes it and holds its numbers against the report's. dictionary.json says of every "
          + "column what stands here below. Times are in seconds, memory in bytes, log-likelihoods in nats; an empty field is a "
          + "figure that does not exist, never 0. Definitions of all figures: docs/measurement.md."
      ],
      tables: [
        ReportTable(
          report.data,
          [
            .words("table") { .text(CSVRenderer.fileName(of: $0)) },
            .init("rows") { .count($0.rows.count) },
            .words("what") { .text(ColumnMeaning.tables[$0.name] ?? "") },
          ])
      ])
    let tables = report.data.map { table in
      ReportSection(
        title: CSVRenderer.fileName(of: table),
        tables: [
          ReportTable(
            table.columns,
            [
              .words("column") { .text($0) },
              .words("unit") { .text(meaning(of: $0, in: table).unit) },
              .words("meaning") { .text(meaning(of: $0, in: table).text) },
            ])
        ])
    }
    let page = Report(
      title: report.title, question: report.question, facts: report.facts,
      sections: [intro] + tables)
    return MarkdownRenderer().files(of: page)[0].text
  }
}
