import Records
import Testing

@testable import Reports

extension ReportTable {
  var texts: [[String]] { rows.map { $0.map(\.plainText) } }
}

/// A special character and the accent behind it are one `Character`, which equals no special character.
@Suite("Text that would end what it is part of")
struct EscapingTests {
  private static let accent = "\u{301}"

  private func files(_ label: String, _ renderer: some ReportRenderer) -> [ReportFile] {
    var results = ExampleResults.experiment(contexts: [512])
    for index in results.rows.indices where index % 4 == 1 {
      results.rows[index].planned.label = label
      results.rows[index].planned.cell.strategy = label
    }
    results.experiment.question = label
    results.rows[5].failure = StoredFailure(run: 1, reason: label)
    return renderer.files(of: Report(of: results))
  }

  /// RFC 4180, by bytes.
  private func fieldCounts(_ csv: String) -> [Int] {
    var counts = [1]
    var isQuoted = false
    for byte in csv.utf8 {
      switch byte {
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: ",") where !isQuoted: counts[counts.count - 1] += 1
      case UInt8(ascii: "\n") where !isQuoted: counts.append(1)
      default: break
      }
    }
    return counts.dropLast()
  }

  @Test(
    "Every row of a CSV file has the same number of fields",
    arguments: ["a\"\(accent)b", ",\(accent)", "\n\(accent)", "\r\n", "\"", "a\u{0},b", "\u{1}"])
  func csv(text: String) {
    for file in files(text, CSVRenderer()) {
      #expect(Set(fieldCounts(file.text)).count == 1, "\(file.name)")
    }
    let row = DataTable("t", [text], [DataColumn("a,\(Self.accent)") { $0 }])
    let csv = CSVRenderer().files(of: Report(title: "", data: [row]))[0].text
    // What needs no quotation marks, such as a control character, has none.
    let isQuoted = text.unicodeScalars.contains { ",\"\n\r".unicodeScalars.contains($0) }
    #expect(csv.utf8.starts(with: "\"a,\(Self.accent)\"\n\(isQuoted ? "\"" : text)".utf8))
  }

  @Test(
    "Every row of a Markdown table has the same number of cells",
    arguments: [
      "a|\(accent)b", "|", "\\|", "\\", "\n\(accent)|", "\u{2028}|", "`|", "\\\\|\(accent)",
    ])
  func markdown(text: String) {
    let lines = files(text, MarkdownRenderer())[0].text.unicodeScalars.split(
      separator: "\n", omittingEmptySubsequences: false)
    func cells(_ line: Substring.UnicodeScalarView) -> Int {
      var count = 0
      var isEscaped = false
      for scalar in line {
        if scalar == "|", !isEscaped { count += 1 }
        isEscaped = scalar == "\\" && !isEscaped
      }
      return count
    }
    var previous: Int?
    for line in lines {
      guard line.starts(with: "| ".unicodeScalars) else {
        previous = nil
        continue
      }
      #expect(cells(line) == previous ?? cells(line), "\(String(line))")
      previous = cells(line)
    }
  }

  @Test("Markup in a name is text in Markdown")
  func markup() {
    #expect(
      MarkdownRenderer.line("<script>*a*`b`\\ &lt; [a](b)")
        == #"\<script>\*a\*\`b\`\\ \&lt; [a]\(b)"#)
    #expect(MarkdownRenderer.line("1.05 [0.9, 1.2] (0.98–1.03)") == "1.05 [0.9, 1.2] (0.98–1.03)")
  }

  @Test("Nothing in a name ends an element or an attribute of XML")
  func xml() {
    let text = "&\(Self.accent)<\(Self.accent)>\(Self.accent)\"\(Self.accent)\u{1}\u{FFFF}\u{85}é"
    let escaped = XMLText.escaped(text)
    let expected = "&amp;\(Self.accent)&lt;\(Self.accent)&gt;\(Self.accent)&quot;\(Self.accent)é"
    #expect(escaped.unicodeScalars.elementsEqual(expected.unicodeScalars))
    for file in files(text, SVGRenderer()) {
      let isSpecial = file.text.unicodeScalars.filter { $0 == "<" }.count
      #expect(isSpecial == file.text.unicodeScalars.filter { $0 == ">" }.count)
    }
  }

  @Test("A name has no power over a terminal")
  func terminal() {
    let text = "\u{1B}[2J\u{7}\u{9B}31m\u{202E}x\u{2066}\u{7F}\ty"
    #expect(TerminalText.safe(text) == "\\u001b[2J\\u0007\\u009b31m\\u202ex\\u2066\\u007f\ty")
    #expect(TerminalText.safe("é\n\u{200F}😀\u{E9}") == "é\n\u{200F}😀\u{E9}")
    let shown = files(text, TerminalRenderer())[0].text
    #expect(shown.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || $0.value >= 0x20 })
    #expect(shown.contains("\\u001b[2J"))
    let table = TextTable(header: ["a", "b"], rows: [["x\u{1B}\ny", "1"], ["z", "22"]]).text
    #expect(table == "a          b\nx\\u001b y  1\nz          22")
  }
}
