import JSON
import Records

@testable import Reports

/// Experiments for the page: names that would break out of it, and very many rows.
extension ExampleResults {
  /// Markup, an end of CDATA, a table's bar, a mark that turns the direction of text, an emoji, an accent on a special
  /// character, braces of the template.
  static let hostileName =
    "<script>alert(1)</script> ]]> | \u{200F}\u{202E} 😀 <\u{301}b>\u{301} \"' &amp; {{title}} <!--"

  /// The example with another label in place of `tca threshold=0.7`, which stands in question, spec and a failure too.
  static func experiment(naming label: String) -> ExperimentResults {
    var results = experiment(contexts: [512, 1024, 2048])
    for index in results.rows.indices where index % 4 == 2 {
      results.rows[index].planned.label = label
    }
    results.experiment.question = "What does \(label) lose?"
    let spec: JSONValue = [
      "models": ["smollm2-135m", ["name": "own", "path": "models/own.gguf"]],
      "question": .string(results.experiment.question),
      "primary": [["streaming-llm", .string(label)]],
    ]
    results.experiment.spec = spec.prettyText + "\n"
    results.rows[5].failure = StoredFailure(run: 1, reason: label)
    return results
  }

  /// As large as the largest that is shipped: four lengths, four texts and a task of prompts, 31 strategies.
  static var largeExperiment: ExperimentResults {
    let base = experiment(contexts: [512, 1024, 2048, 4096])
    var results = base
    results.rows = []
    results.timingGroups = []
    for text in ["kjv", "code", "jargon", "northangerabbey", ""] {
      let rows = base.rows.filter { ($0.planned.cell.task == "passkey") == text.isEmpty }
      results.rows += rows.flatMap { row in
        row.isFull ? [row] : (0..<10).map { variant(of: row, number: $0) }
      }.map { row in
        var row = row
        row.planned.cell.identity = text + row.planned.cell.identity
        row.planned.fullIdentity = text + row.planned.fullIdentity
        if !text.isEmpty, case .object(var parameters) = row.planned.cell.taskParameters {
          parameters["corpus"] = .string("corpora/\(text).txt")
          row.planned.cell.taskParameters = .object(parameters)
        }
        return row
      }
      let cells = Set(rows.map(\.planned.cell.identity))
      results.timingGroups += base.timingGroups.filter { stored in
        stored.group.samples.contains { cells.contains($0.identity) }
      }.enumerated().map { index, stored in
        var stored = stored
        stored.id = Int64(100 * results.timingGroups.count + index + 1)
        stored.group.samples = stored.group.samples.flatMap { samples(like: $0, of: text) }
        stored.group.controls = stored.group.controls.flatMap { samples(like: $0, of: text) }
        return stored
      }
    }
    return results
  }

  private static func samples(like sample: TimingSample, of text: String) -> [TimingSample] {
    let isFull = sample.identity.hasSuffix("-full")
    return (0..<(isFull ? 1 : 10)).map { number in
      var sample = sample
      sample.identity = text + sample.identity + (isFull ? "" : " variant=\(number)")
      sample.timeToFirstToken *= 1 + Double(number) / 100
      return sample
    }
  }

  private static func variant(of row: ComparisonRow, number: Int) -> ComparisonRow {
    var row = row
    let growth = 1 + Double(number * 7 % 10) / 10
    row.planned.label += " variant=\(number)"
    row.planned.cell.identity += " variant=\(number)"
    row.planned.cell.strategyParameters = ["variant": .integer(number)]
    row.figures[.relativeOutputError]? *= growth
    row.figures[.kvCacheResidentBytes]? /= growth
    row.figures[.kvCacheResidentBytesRatio]? /= growth
    row.units = row.units.map { unit in
      var unit = unit
      unit.negativeLogLikelihood? += Double(number) / 10 * Double(1 + unit.index % 3)
      return unit
    }
    return row
  }
}
