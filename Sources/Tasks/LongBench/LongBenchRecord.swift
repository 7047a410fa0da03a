/// One line of a LongBench file.
struct LongBenchRecord: Hashable {
  var input: String
  var context: String
  var answers: [String]
  /// In words, as the benchmark counts them.
  var length: Int
  /// Every class of a classification; empty for other tasks.
  var classes: [String]

  static let keys: Set = [
    "input", "context", "answers", "length", "all_classes", "dataset",
  ]

  static func read(_ line: JSONLine) throws(TextError) -> LongBenchRecord {
    LongBenchRecord(
      input: try line.text("input"), context: try line.text("context"),
      answers: try line.texts("answers"), length: try line.count("length"),
      classes: try line.optionalTexts("all_classes") ?? [])
  }
}
