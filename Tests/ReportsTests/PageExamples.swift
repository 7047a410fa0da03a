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

  /// Two lengths, two tasks, and so many variants of each strategy but full, all timed.
  static func experiment(variants: Int) -> ExperimentResults {
    var results = experiment()
    results.rows = results.rows.flatMap { row -> [ComparisonRow] in
      row.isFull ? [row] : (0..<variants).map { variant(of: row, number: $0) }
    }
    for index in results.timingGroups.indices {
      let samples = results.timingGroups[index].group.samples
      results.timingGroups[index].group.samples = samples.flatMap { sample in
        sample.identity.hasSuffix("-full")
          ? [sample]
          : (0..<variants).map { number in
            var sample = sample
            sample.identity += " variant=\(number)"
            sample.timeToFirstToken *= 1 + Double(number) / 100
            return sample
          }
      }
    }
    return results
  }

  private static func variant(of row: ComparisonRow, number: Int) -> ComparisonRow {
    var row = row
    let growth = 1 + Double(number * 7 % 50) / 100
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
