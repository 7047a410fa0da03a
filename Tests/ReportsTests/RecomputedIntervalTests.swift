import Foundation
import LabTestSupport
import Records
import Testing

@testable import Reports

/// The intervals of a report, worked out again from the files that are kept beside it, by other arithmetic: what a reader
/// of `results/` can do.
@Suite("Intervals from per-unit data")
struct RecomputedIntervalTests {
  /// A line of a table by the names of its columns.
  typealias Line = [String: String]

  static let results = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("results")

  /// Student's t at 97.5 %, from a table; nil beyond it.
  static func t(_ degrees: Int) -> Double? {
    let table = [
      3: 3.182446, 4: 2.776445, 5: 2.570582, 6: 2.446912, 7: 2.364624, 8: 2.306004, 9: 2.262157,
      10: 2.228139, 11: 2.200985, 12: 2.178813, 13: 2.160369, 14: 2.144787, 15: 2.131450,
      16: 2.119905, 31: 2.039513, 63: 1.998341,
    ]
    return table[degrees]
  }

  private func place(_ line: Line, _ strategy: String) -> [String] {
    ["model", "context_length", "task_label", "protocol", "query_aware"].map { line[$0] ?? "" }
      + [strategy]
  }

  /// Every likelihood's interval of `quality_difference`, from `cluster`; how many there were.
  private func recompute(_ differences: [Line], _ clusters: [Line], full: String) -> Int {
    let byCell = Dictionary(grouping: clusters) { place($0, $0["strategy"] ?? "") }
    var count = 0
    for line in differences where !(line["difference_low"] ?? "").isEmpty {
      func losses(_ strategy: String) -> [String: Double] {
        Dictionary(
          (byCell[place(line, strategy)] ?? []).compactMap { row in
            guard let loss = row["negative_log_likelihood"].flatMap(Double.init),
              let tokens = row["tokens"].flatMap(Double.init)
            else { return nil }
            return (row["cluster"] ?? "", loss / tokens)
          }, uniquingKeysWith: { first, _ in first })
      }
      let (dense, own) = (losses(full), losses(line["strategy"] ?? ""))
      let changes = own.compactMap { window, loss in dense[window].map { loss - $0 } }
      guard let t = Self.t(changes.count - 1) else { continue }
      let n = Double(changes.count)
      let mean = changes.reduce(0, +) / n
      let variance = changes.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / (n - 1)
      let half = t * (variance / n).squareRoot()
      let ends = ["difference_low", "difference_high"].map { Double(line[$0] ?? "") ?? .nan }
      // Tables have seven digits.
      let slack = 1e-6 * half + 1e-12
      #expect(
        abs(ends[0] - (mean - half)) < slack && abs(ends[1] - (mean + half)) < slack,
        "\(line["strategy"] ?? ""): \(ends), \(mean) ± \(half)")
      count += 1
    }
    return count
  }

  @Test("Those of a made-up experiment")
  func example() throws {
    let files = CSVRenderer().files(of: Report(of: ExampleResults.experiment()))
    func table(_ name: String) throws -> [Line] {
      CSVLines.parse(try #require(files.first { $0.name == "\(name).csv" }).text)
    }
    #expect(
      recompute(try table("quality_difference"), try table("cluster"), full: "full") == 6)
  }

  @Test("Those of every report that is committed with its clusters")
  func committed() throws {
    let folders = try FileManager.default.contentsOfDirectory(
      at: Self.results, includingPropertiesForKeys: nil)
    for folder in folders.sorted(by: { $0.path < $1.path }) {
      guard let clusters = try CSVLines.read("cluster", in: folder),
        let differences = try CSVLines.read("quality_difference", in: folder)
      else { continue }
      let full = clusters.first { $0["strategy"]?.hasPrefix("full") == true }?["strategy"] ?? "full"
      _ = recompute(differences, clusters, full: full)
    }
  }
}
