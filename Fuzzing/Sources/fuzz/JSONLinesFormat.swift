import Foundation
import JSON
import Records
import Tasks

/// Questions, a JSON object a line: one's own, and LongBench's.
enum JSONLinesFormat: FuzzedFormat {
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    let lines = (0...generator.index(below: 3)).map { _ in
      JSONChange.of(
        generator.element(of: [question, choice, record]), words: words, &generator)
    }
    return text(lines, generator.element(of: ["\n", "\r\n", "\n\n"]))
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    var lines = bytes.split(separator: 0x0A).compactMap { try? JSONValue(parsing: Array($0)) }
    guard !lines.isEmpty else { return nil }
    let place = generator.index(below: lines.count)
    lines[place] = JSONChange.of(lines[place], words: words, &generator)
    return text(lines, "\n")
  }

  static func read(_ bytes: [UInt8]) {
    do {
      try Data(bytes).write(to: folder.appendingPathComponent("qasper.jsonl"))
    } catch {
      fatalError("\(error)")
    }
    for (task, parameters) in tasks {
      for problem in TaskRegistry.builtIn.fileProblems(
        of: task, parameters: parameters, folder: folder)
      {
        precondition(!problem.description.isEmpty)
      }
    }
  }

  private static let tasks: [(String, JSONValue)] = [
    ("jsonl", ["file": "qasper.jsonl"]), ("longbench", ["folder": ".", "dataset": "qasper"]),
  ]

  private static let folder = URL(fileURLWithPath: MemoryFolder.path)

  private static func text(_ lines: [JSONValue], _ separator: String) -> [UInt8] {
    Array(lines.map(\.canonicalText).joined(separator: separator).utf8)
  }

  private static let question: JSONValue = [
    "context": "It rains.", "question": "What falls?", "answers": ["rain"], "metric": "f1",
  ]
  private static let choice: JSONValue = [
    "context": "It rains.", "question": "What falls?", "answers": ["B"], "metric": "choice",
    "choices": ["snow", "rain"],
  ]
  private static let record: JSONValue = [
    "input": "What falls?", "context": "It rains.", "answers": ["rain"], "length": 2,
    "all_classes": ["rain", "snow"], "dataset": "qasper",
  ]
  private static let words = [
    "context", "question", "answers", "metric", "choices", "input", "length", "all_classes",
    "dataset", "exact", "contains", "f1", "choice", "A", "Z",
  ]
}
