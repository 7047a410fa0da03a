import Attention
import Foundation
import Planning
import Tasks
import Testing

@Suite("The spec's JSON Schema")
struct SpecSchemaTests {
  static let file = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("experiments/schema.json")

  /// To write the file anew: `UPDATE_GOLDEN=1 swift test --filter SpecSchemaTests`.
  @Test("The published schema is the one that the built-in strategies and tasks give")
  func published() throws {
    let text =
      SpecSchema.json(
        strategies: StrategyRegistry.builtIn.descriptions, tasks: TaskRegistry.builtIn.descriptions
      ).prettyText + "\n"
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try text.write(to: Self.file, atomically: true, encoding: .utf8)
    }
    let published = try String(contentsOf: Self.file, encoding: .utf8)
    #expect(published == text, "UPDATE_GOLDEN=1 swift test --filter SpecSchemaTests writes it anew")
  }
}
