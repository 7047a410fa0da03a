import Foundation
import JSON
import Records
import Testing

@testable import Reports

@Suite("The page")
struct PageTests {
  private func page(_ results: ExperimentResults) -> String {
    HTMLRenderer().files(of: Report(of: results))[0].text
  }

  private func count(_ part: String, in text: String) -> Int {
    text.utf8.split(separator: Array(part.utf8), omittingEmptySubsequences: false).count - 1
  }

  /// Longer names take more lines in a figure, and so more elements.
  private func withoutFigures(_ page: String) -> String {
    page.replacing(/<svg[\s\S]*?<\/svg>/, with: "")
  }

  @Test("It is one file of its own, without an address and with one script that it may run")
  func alone() {
    let files = HTMLRenderer().files(of: Report(of: ExampleResults.experiment()))
    #expect(files.map(\.name) == ["report.html"])
    let text = files[0].text
    #expect(!text.contains("://"), "an address of another host")
    #expect(count("<script>", in: text) == 1)
    #expect(count("<script", in: text) == 1 + Report(of: ExampleResults.experiment()).data.count)
    #expect(text.contains("script-src 'sha256-") && text.contains("default-src 'none'"))
    #expect(!text.contains("unsafe-eval") && !text.contains("script-src 'unsafe-inline'"))
  }

  @Test("No name adds an element, a comment or a tag of the template")
  func hostile() throws {
    let plain = page(ExampleResults.experiment(naming: "plain"))
    let hostile = page(ExampleResults.experiment(naming: ExampleResults.hostileName))
    #expect(count("<", in: withoutFigures(hostile)) == count("<", in: withoutFigures(plain)))
    #expect(count("<!--", in: hostile) == 0)
    #expect(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt; | \u{200F}\u{202E} 😀"))
    #expect(hostile.contains("{{title}}"))
    // What turns the direction of text is kept where a program reads, and left out where people do.
    let label = XMLText.escaped(ExampleResults.hostileName)
    let shown = label.replacingScalars { $0 == "\u{202E}" ? "" : nil }
    #expect(count("<g data-strategy=\"\(label)\"", in: hostile) > 4, "in figures")
    #expect(count("<td data-strategy=\"\(label)\">\(shown)", in: hostile) > 4, "in tables")
    #expect(hostile.contains("<option value=\"\(label)\">\(shown)</option>"))
    #expect(hostile.contains(">What does \(shown) lose?<"))
  }

  @Test("Spec, commands, provenance, flags and legend are in it")
  func parts() {
    let report = Report(of: ExampleResults.experiment(naming: "plain"))
    let text = HTMLRenderer().files(of: report)[0].text
    #expect(text.contains("[&quot;streaming-llm&quot;, &quot;plain&quot;]"))
    #expect(text.contains("tca-lab run example.json --db tca-lab.sqlite"))
    #expect(text.contains("to save as <code>example.json</code>"))
    for fact in report.facts { #expect(text.contains("<dt>\(fact.label)</dt>"), "\(fact.label)") }
    for section in report.sections {
      #expect(text.contains(XMLText.escaped(section.title)), "\(section.title)")
      for item in section.items { #expect(text.contains(XMLText.escaped(item)), "\(item)") }
    }
    for paragraph in report.legend { #expect(text.contains(XMLText.escaped(paragraph))) }
  }

  @Test("A report without experiment, question and strategies has no empty parts")
  func little() {
    let text = HTMLRenderer().files(of: Report(title: "a & b"))[0].text
    #expect(text.contains("<h1 dir=\"auto\">a &amp; b</h1>"))
    for part in ["id=\"pick\"", "id=\"again\"", "id=\"data\"", "class=\"answer\"", "<figure"] {
      #expect(!text.contains("\(part)"), "\(part)")
    }
  }

  @Test("With 600 rows it weighs less than 1.5 MB, and names what it has no room for")
  func size() {
    let results = ExampleResults.largeExperiment
    #expect(results.rows.count >= 600)
    let report = Report(of: results)
    let text = HTMLRenderer().files(of: report)[0].text
    #expect(text.utf8.count < 1_500_000, "\(text.utf8.count)")
    for table in report.data { #expect(text.contains("\(table.name).csv")) }
    let missing = report.sections.flatMap(\.figures).filter { figure in
      !text.contains(InlineFigure.text(of: figure)) && !text.contains("\(figure.name).svg")
    }
    #expect(missing.isEmpty, "\(missing.map(\.name))")
  }

  // MARK: Data

  @Test(
    "A file in the page is the file, byte for byte, and ends no script",
    arguments: ["</script>", "<!--<script>"])
  func scripts(text: String) throws {
    let whole = "a,\"b\"\n\(text)\u{0}\u{2028}\r\n\u{301}é😀\\"
    let json = PageData.inScript(whole)
    #expect(!json.utf8.contains(UInt8(ascii: "<")))
    #expect(try JSONValue(parsing: json).stringValue.map { Array($0.utf8) } == Array(whole.utf8))
  }

  @Test("Files go in as long as there is room, and a large one keeps no later one out")
  func room() {
    func table(_ name: String, _ size: Int) -> DataTable {
      DataTable(name, [String(repeating: "x", count: size)], [DataColumn("c") { $0 }])
    }
    let report = Report(title: "", data: [table("a", 100), table("b", 5000), table("c", 200)])
    let data = PageData(report, room: 400)
    #expect(data.included.map(\.fileName) == ["a.csv", "c.csv"])
    #expect(data.excluded.map(\.restName) == ["b.csv"] && data.excluded[0].restRows == "1 row")
    #expect(PageData(report, room: -1).included.isEmpty)
  }

  // MARK: For scripts/test-page

  private static let folder = ProcessInfo.processInfo.environment["TCA_LAB_WRITE_PAGES"]

  /// `hostile.html` and `large.html`, and the CSV files that the first one carries.
  @Test("Pages for the test in a browser are written", .enabled(if: folder != nil))
  func examples() throws {
    let folder = URL(fileURLWithPath: try #require(Self.folder))
    let hostile = Report(of: ExampleResults.experiment(naming: ExampleResults.hostileName))
    let large = Report(of: ExampleResults.largeExperiment)
    var files = [
      ReportFile(name: "hostile.html", text: HTMLRenderer().files(of: hostile)[0].text),
      ReportFile(name: "large.html", text: HTMLRenderer().files(of: large)[0].text),
      ReportFile(name: "name.txt", text: ExampleResults.hostileName),
    ]
    files += CSVRenderer().files(of: hostile)
    for file in files {
      try Data(file.text.utf8).write(to: folder.appendingPathComponent(file.name))
    }
  }
}
