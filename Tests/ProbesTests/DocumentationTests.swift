import Foundation
import Records
import Testing

@Suite("Documentation of measurements")
struct DocumentationTests {
  @Test("docs/measurement.md names every figure of the catalogue")
  func figures() throws {
    // Tests/ProbesTests/… lies two folders below the root; the checkout may be reached through a link.
    let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(
      contentsOf: root.appendingPathComponent("docs/measurement.md"), encoding: .utf8)
    for metric in MetricCatalogue.all {
      #expect(text.contains("`\(metric.name)`"), "\(metric.name) is not explained")
    }
  }
}
