import Foundation
import LabTestSupport
import Records
import Testing

@testable import Reports

@Suite("LaTeX")
struct LaTeXTests {
  @Test(
    "Every character means itself",
    arguments: [
      (#"\input{x}"#, #"\textbackslash{}input\{x\}"#),
      ("$a_1^2$ & 50 % #~", ##"\$a\_1\textasciicircum{}2\$ \& 50 \% \#\textasciitilde{}"##),
      ("é – † “x”", #"é – † \uni{201C}x\uni{201D}"#), ("λγ↓", #"\uni{03BB}$\gamma$$\downarrow$"#),
      // By scalars: with the accent behind it the brace is a character of its own.
      ("{\u{301}", #"\{\uni{0301}"#), ("a\u{202E}b\u{7}", #"a\texttt{U+202E}b\texttt{U+0007}"#),
      ("😀", #"\uni{1F600}"#), ("a\n\n\u{2029}b\tc\u{A0}d", "a b c~d"),
      ("\u{AD}\u{FFFE}\u{E000}", #"\texttt{U+00AD}\texttt{U+FFFE}\texttt{U+E000}"#),
    ])
  func escaped(text: String, expected: String) {
    #expect(LaTeXText.line(text) == expected)
  }

  @Test("A bracket or a star at the beginning of a row is no argument")
  func start() {
    #expect(LaTeXText.start("[1mm] x") == "{}[1mm] x" && LaTeXText.start("*") == "{}*")
    let table = ReportTable(
      columns: [.init(name: "a", kind: .words), .init(name: "b", kind: .words)],
      rows: [["[x", "y"], ["*", "z"]])
    let text = LaTeXTable(table).text(title: "t", label: "l")
    #expect(text.contains("\n{}[x & y \\\\\n{}* & z \\\\\n"))
  }

  @Test(
    "Labels are letters and digits", arguments: [("A b_c/2", "a-b-c-2"), ("$é", "x"), ("", "x")])
  func label(text: String, expected: String) { #expect(LaTeXText.label(text) == expected) }

  @Test("What all rows share stands in the caption, and not in a column")
  func shared() {
    let table = ReportTable(
      columns: [
        .init(name: "model", kind: .words), .init(name: "context"), .init(name: "score"),
        .init(name: "strategy", kind: .words),
      ],
      rows: [["m_1", .count(2048), .count(1), "a"], ["m_1", .count(2048), .count(1), "b"]])
    let text = LaTeXTable(table).text(title: "Main", label: "x-1")
    #expect(text.contains(#"\caption{Main: model m\_1, context 2,048.}\label{tab:x-1}"#))
    #expect(text.contains("score & strategy \\\\\n") && text.contains("1 & a \\\\\n"))
    // Of one row nothing is shared.
    let one = ReportTable(columns: table.columns, rows: [table.rows[0]])
    #expect(LaTeXTable(one).text(title: "Main", label: "x").contains(#"\caption{Main.}"#))
  }

  @Test("A table that is wider than the page goes on in further parts, each with the rows' names")
  func parts() {
    let numbers = (0..<40).map { ReportTable.Column(name: "figure\($0)") }
    let table = ReportTable(
      columns: [.init(name: "strategy", kind: .words)] + numbers,
      rows: ["a", "b"].map { name in
        [.text(name)] + numbers.indices.map { .number(Double($0), .fixed(3)) }
      })
    let text = LaTeXTable(table).text(title: "t", label: "l")
    let captions = text.split(separator: "\n").filter { $0.hasPrefix(#"\caption"#) }
    #expect(captions.count == 3)
    #expect(captions[1] == #"\caption{t, part 2 of 3.}\label{tab:l-2}"#)
    #expect(text.split(separator: "\n").count { $0.hasPrefix("a & ") } == 3)
    for place in numbers.indices { #expect(text.contains("\(place).000")) }
  }

  @Test("A table that is longer than a page breaks, with its heading on each")
  func long() {
    func text(_ count: Int) -> String {
      let table = ReportTable(
        columns: [.init(name: "a", kind: .words)], rows: (0..<count).map { ["row \($0)"] })
      return LaTeXTable(table).text(title: "t", label: "l")
    }
    #expect(text(30).hasPrefix("\\begin{table}[H]\n"))
    #expect(!text(30).contains("longtable"))
    #expect(text(31).components(separatedBy: "\na \\\\\n").count == 3)
    #expect(text(31).contains("\\begin{longtable}{@{}l@{}}\n\\caption{t.}\\label{tab:l}\\\\\n"))
  }

  // MARK: Compiled

  /// A report in which every name is as bad as can be, and one that is as it should be.
  private static func hostile() -> Report {
    let name = #"[*] <script>alert(1)</script> \end{document} $%&#_{}~^ ]]> | "#
    let strange = "\u{202E}\u{200F} 😀 γ é { ́ 日本 -- `` '' \" "
    var results = ExampleResults.experiment(contexts: [512])
    results.experiment.question = name + strange
    results.experiment.name = strange
    for index in results.rows.indices where index % 4 == 1 {
      results.rows[index].planned.label = name + strange
    }
    results.rows[5].failure = StoredFailure(run: 1, reason: strange + name)
    return Report(of: results)
  }

  private static let compiler = ["/usr/bin/lualatex", "/usr/local/bin/lualatex"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }
  private static let isRequired = ProcessInfo.processInfo.environment["REQUIRE_TEX"] == "1"

  /// What the log says.
  private func compile(_ report: Report) throws -> String {
    let compiler = try #require(
      Self.compiler, "lualatex: apt-get install texlive-luatex texlive-latex-recommended")
    let folder = try TemporaryFolder()
    try folder.write(LaTeXRenderer().files(of: report)[0].text, to: "report.tex")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: compiler)
    process.arguments = ["-halt-on-error", "-interaction=nonstopmode", "report.tex"]
    process.currentDirectoryURL = folder.url
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let log = String(
      decoding: try Data(contentsOf: folder.url.appendingPathComponent("report.log")),
      as: UTF8.self)
    #expect(process.terminationStatus == 0, "\(log.suffix(3000))")
    #expect(FileManager.default.fileExists(atPath: folder.path("report.pdf")))
    return log
  }

  @Test(
    "lualatex compiles it, whatever stands in names, and prints the number of what the font lacks",
    .enabled(
      if: compiler != nil || isRequired,
      "SKIPPED: no lualatex here; apt-get install texlive-luatex texlive-latex-recommended"))
  func compiles() throws {
    let log = try compile(Self.hostile())
    #expect(log.contains("the font lacks U+1F600") && log.contains("the font lacks U+65E5"))
    #expect(!log.contains("Missing character"))
    // Long tables too. Our own words need nothing that the font lacks, and no table is wider than the page.
    let own = try compile(
      Report(of: ExampleResults.experiment(contexts: [512, 1024, 2048, 4096, 8192])))
    #expect(!own.contains("the font lacks") && !own.contains("Missing character"))
    #expect(!own.contains("Overfull \\hbox"), "\(own)")
  }
}
