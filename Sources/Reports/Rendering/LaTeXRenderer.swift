/// One LaTeX document for lualatex with all tables, their captions and labels; figures are SVG files of their own.
public struct LaTeXRenderer: ReportRenderer {
  public let name = "latex"

  public init() {}

  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.tex", text: Self.text(of: report))]
  }

  private static func text(of report: Report) -> String {
    var text = #"""
      % Written by tca-lab report --format latex. Compile it with lualatex, twice for the widths of long tables.
      \documentclass{article}
      \usepackage[a4paper,landscape,margin=15mm]{geometry}
      \usepackage{array,booktabs,caption,float,longtable}
      \usepackage{fontspec}
      % Two hyphens stay two, and quotation marks straight.
      \defaultfontfeatures[\rmfamily,\sffamily]{}
      \setmainfont{Latin Modern Roman}
      \setmonofont{Latin Modern Mono}
      \#(LaTeXText.preamble)
      \setlength{\parindent}{0pt}
      \setlength{\parskip}{4pt}
      \setlength{\tabcolsep}{4pt}
      \captionsetup{width=\textwidth,skip=4pt}
      \begin{document}

      """#
    text += heading("section", report.title)
    if !report.question.isEmpty { text += paragraph(report.question) }
    text += list(report.facts.map { "\($0.label): \($0.value)" })
    let name = LaTeXText.label(report.title)
    var number = 0
    for section in report.sections {
      text += heading("subsection", section.title)
      for words in section.text { text += paragraph(words) }
      for table in section.tables where !table.rows.isEmpty {
        number += 1
        text += "\n"
        text += LaTeXTable(table).text(
          title: section.title, label: "\(name)-\(number)-\(LaTeXText.label(section.title))")
      }
      text += list(section.items)
    }
    if !report.legend.isEmpty { text += "\n\\bigskip\n" }
    for words in report.legend { text += paragraph(words) }
    return text + "\n\\end{document}\n"
  }

  private static func heading(_ level: String, _ text: String) -> String {
    "\n\\\(level)*{\(LaTeXText.line(text))}\n"
  }

  private static func paragraph(_ text: String) -> String { "\n\(LaTeXText.start(text))\n" }

  private static func list(_ items: [String]) -> String {
    if items.isEmpty { return "" }
    let lines = items.map { "\\item \(LaTeXText.start($0))\n" }.joined()
    return "\n\\begin{itemize}\n\(lines)\\end{itemize}\n"
  }
}
