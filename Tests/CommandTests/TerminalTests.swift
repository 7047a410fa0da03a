import Foundation
import Testing

@Suite("What reaches a terminal", .serialized)
struct TerminalTests {
  @Test("Control characters of a path show as escapes in messages")
  func controlCharacters() throws {
    let lab = try Lab()
    let missing = try lab.run("validate", "a\u{1B}[2J\u{9B}31m.json")
    #expect(missing.status == 2 && missing.err.contains("a\\u001b[2J\\u009b31m.json"))
    #expect(!missing.err.unicodeScalars.contains("\u{1B}"))
  }
}
