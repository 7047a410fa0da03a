import Foundation
import LabTestSupport
import Testing

@Suite("Numbers in prose")
struct DocumentNumberTests {
  private static let docs = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("docs")

  @Test(
    "Every number that stands in a table, or carries a reference, is that of the committed data",
    arguments: ["findings.md", "performance.md"])
  func pages(name: String) throws {
    let text = try String(
      contentsOf: Self.docs.appendingPathComponent(name), encoding: .utf8)
    let outcome = DocumentNumbers(text: text, folder: Self.docs).check()
    for problem in outcome.problems { Issue.record("\(name): \(problem)") }
    print("\(name): \(outcome.agreed) numbers agree with the data")
  }

  /// Of a page beside a made-up `data.csv`.
  private func check(_ text: String) throws -> DocumentNumbers.Outcome {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("document-numbers-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try """
    strategy,context_length,difference,low,high,bytes
    full,1024,,,,2097152
    tca,1024,0.03236,0.01434,0.0529,1048576
    "tca, twice",1024,-0.0004,-0.001,0.0002,1572864
    tca,2048,0.0412,0.0161,0.0709,3000000

    """.write(
      to: folder.appendingPathComponent("data.csv"), atomically: true, encoding: .utf8)
    return DocumentNumbers(text: text, folder: folder).check()
  }

  @Test("A number in a link is rounded as it is written, with either minus and thousands")
  func links() throws {
    let right = try check(
      """
      It loses [+0.032 [0.014, 0.053]](data.csv "difference, low, high where strategy=tca and context_length=1024")
      and [−0.0004](data.csv "difference where strategy=tca, twice") in [1.00 MiB](data.csv
      "bytes / 1048576 where strategy=tca and context_length=1024"), [3,000,000](data.csv "bytes where context_length=2048")
      bytes, [3.2 %](data.csv "difference * 100 where strategy=tca and context_length=1024"). [A link](data.csv) says nothing.
      """)
    #expect(right.problems.isEmpty && right.agreed == 7, "\(right)")
  }

  @Test(
    "What is not in the data is told",
    arguments: [
      (
        #"[0.033](data.csv "difference where context_length=1024 and strategy=tca")"#,
        "written 0.033"
      ),
      (
        #"[0.0323](data.csv "difference where context_length=1024 and strategy=tca")"#,
        "written 0.0323"
      ),
      (#"[0.03](data.csv "difference where strategy=tca")"#, "2 lines of the data"),
      (#"[0.03](data.csv "difference where strategy=tcb")"#, "0 lines of the data"),
      (#"[0.03](data.csv "loss where context_length=2048")"#, "no column loss"),
      (#"[0.03](data.csv "difference where length=2048")"#, "no column length"),
      (#"[0.03](other.csv "difference where context_length=2048")"#, "no file other.csv"),
      (#"[0.04](data.csv "difference, low where context_length=2048")"#, "low is not written"),
      (#"[0.04](data.csv "difference where strategy=full")"#, "difference is empty"),
    ])
  func wrongLinks(text: String, problem: String) throws {
    let outcome = try check(text)
    #expect(outcome.agreed == 0 || problem.hasPrefix("low"))
    #expect(outcome.problems.count == 1 && outcome.problems[0].contains(problem), "\(outcome)")
  }

  @Test("A table's comment says where its rows and columns are from")
  func tables() throws {
    func table(_ loss: String, comment: String? = nil) -> String {
      """
      \(comment ?? """
        <!-- table data.csv where context_length=1024
        row: strategy, "twice" is tca, twice
        ΔNLL: difference, low, high
        MiB: bytes / 1048576
        -->
        """)
      | method | ΔNLL | MiB | seen |
      |---|---|---|---|
      | dense (`full`) | – | 2.0 | 1 |
      | **`tca`** at 0.9 | \(loss) | 1.00 | 99 |
      | twice | −0.0004 [−0.0010, +0.0002] | **1.5** | |
      """
    }
    let right = try check(table("+0.032 [+0.014, +0.053]"))
    #expect(right.problems.isEmpty && right.agreed == 9, "\(right)")
    #expect(try check(table("+0.032 [+0.014, +0.054]")).problems.count == 1)
    #expect(try check(table("+0.032", comment: "")).problems.count == 1)
    #expect(
      try check(table("5", comment: "<!-- not compared: measured elsewhere, by hand -->")).problems
        .isEmpty)
    #expect(try check(table("5", comment: "<!-- not compared: -->")).problems.count == 1)
    let unknown = try check(
      table("1", comment: "<!-- table data.csv\nrow: strategy\nLoss: difference\n-->"))
    #expect(unknown.problems.count == 1 && unknown.problems[0].contains("no column \"Loss\""))
    // Words alone need no data.
    #expect(try check("| a | b |\n|---|---|\n| c | d |\n").problems.isEmpty)
  }

  @Test("Tables are read with their quotes, marks and line breaks")
  func csv() {
    let lines = CSVLines.parse("a,b\n\"1,2\",\"say \"\"no\"\"\nand go\"\n,x\n")
    #expect(lines == [["a": "1,2", "b": "say \"no\"\nand go"], ["a": "", "b": "x"]])
  }
}
