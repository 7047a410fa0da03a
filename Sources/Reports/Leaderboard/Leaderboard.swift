import JSON
import Records

/// One table for each model and context length: what each strategy loses, finds, holds and takes, gathered from several
/// experiments.
///
/// A strategy is the same in two experiments where model, name and all parameters are, the cache's format and the budget
/// among them; labels differ from experiment to experiment.
public struct Leaderboard {
  /// What quality and bytes are from: a table for each model and length of these.
  public static let qualityNames = ["leaderboard", "leaderboard-8k", "leaderboard-32k"]
  /// What the needle's scores are from, and what times are.
  public static let needleNames = ["ruler", "ruler-eighth"]
  public static let latencyName = "leaderboard-latency"

  public static let names = qualityNames + needleNames + [latencyName]

  private let analyses: [ExperimentAnalysis]
  private let fidelities: [String: Fidelity]
  /// Every table, in the order of the experiments.
  let tables: [LeaderboardTable]

  /// - Parameters:
  ///   - results: those of the experiments above that there are.
  ///   - strategies: what is known of them: how they stand to their sources, and in which phases they act.
  public init(_ results: [ExperimentResults], strategies: [StrategyDescription]) {
    let background = ReportBackground(strategies: strategies)
    let analyses = results.map { ExperimentAnalysis($0, background: background) }
    self.analyses = analyses
    fidelities = background.strategies.mapValues(\.fidelity)
    func rows(of name: String) -> [AnalysedRow] {
      analyses.filter { $0.results.experiment.name == name }.flatMap(\.rows)
    }
    let found = Self.needleNames.map { name in
      rows(of: name).filter { !$0.cell.queryAware && $0.row[.score] != nil }
    }
    // A mean over more tasks than others were asked would not stand beside theirs.
    let asked = Set((found.first { !$0.isEmpty } ?? []).map { $0.cell.taskParameters["task"] })
    let needles = MatchedRows(
      found.joined().filter { asked.contains($0.cell.taskParameters["task"]) })
    let times = MatchedRows(
      rows(of: Self.latencyName).filter { $0.ratios[.timePerOutputToken] != nil })
    tables = Self.qualityNames.flatMap { name in
      analyses.filter { $0.results.experiment.name == name }.flatMap { analysis in
        analysis.pools.compactMap {
          LeaderboardTable($0, of: analysis, needles: needles, times: times)
        }
      }
    }
  }

  /// Tables, where they are from, and what is missing.
  public var report: Report {
    let sections = tables.map { $0.section(fidelities) } + [sources]
    return Report(
      title: "Leaderboard",
      question:
        "What does each method lose for the bytes that it holds, against full attention in float16, and against a plain quantised cache?",
      sections: sections.filter { !$0.isEmpty },
      legend: Self.legend(of: sections) + Report.footnotes(of: sections))
  }

  /// How to read what these sections show, a paragraph each; nothing is explained that is not there.
  private static func legend(of sections: [ReportSection]) -> [String] {
    let columns = sections.flatMap(\.tables).flatMap(\.columns).map(\.name)
    return explanations.map { paragraph in
      paragraph.filter { entry in columns.contains { $0.contains(entry.column) } }
        .map(\.words).joined(separator: " ")
    }.filter { !$0.isEmpty }
  }

  /// Sentences by what a column's name has in it.
  private static let explanations: [[(column: String, words: String)]] = [
    [
      (
        "class",
        """
        A class holds the strategies whose KV cache takes at most so much of full attention's in float16, on average \
        over the decode steps and in the layers without a window of their own; each stands in the smallest class that \
        holds it.
        """
      ),
      (
        "rank",
        """
        Ranks are inside of a class: a strategy is behind another only where the difference of the two, on the same \
        texts, is not 0 by Student's t over texts, corrected by Holm for all pairs of the class; 1–3 says that it could \
        be any of these.
        """
      ),
    ],
    [
      (
        "ΔNLL",
        """
        ΔNLL: nats a token more than full attention's, each text counting once; in square brackets the 95 % interval \
        over texts.
        """
      ),
      (
        "worst text",
        "Worst text: that on which it loses most."
      ),
      (
        "needle",
        "Needle: the share of prompts whose needle is found, where the question comes after the cache was cut."
      ),
      (
        "÷ full",
        "÷ full: times as ratios to full attention in the same round, median and 95 % interval."
      ),
      (
        "its peak",
        "KV cache: mean over the decode steps; its peak has the prompt's own passage in it."
      ),
      (
        "class",
        "↓ lower is better, ↑ higher is better, – not measured."
      ),
    ],
    [
      (
        "fidelity",
        """
        Fidelity: faithful to its source, simplified (its documentation says how), reconstructed (without the source's \
        code or full text at hand), own, or an oracle. tca-lab strategies show NAME has the details, docs/measurement.md \
        the definitions.
        """
      )
    ],
  ]

  // MARK: Where it is from

  private var sources: ReportSection {
    let columns: [ColumnRule<ExperimentAnalysis>] =
      [
        .words("experiment") { .text($0.results.experiment.name) },
        .init("cells") { .count($0.rows.count) },
        .init("with results") { analysis in .count(analysis.rows.count { !$0.row.kinds.isEmpty }) },
      ]
      + ["source", "machine", "runs"].map { name in
        ColumnRule<ExperimentAnalysis>.words(name) { analysis in
          .text(analysis.facts.first { $0.label == name }?.value ?? "")
        }
      }
    return ReportSection(
      title: "Where it is from", tables: [ReportTable(analyses, columns)], items: missing)
  }

  /// What the tables lack, a sentence each.
  private var missing: [String] {
    let there = Set(analyses.map(\.results.experiment.name))
    let absent = Self.names.filter { !there.contains($0) }
    return absent.map { "missing: the experiment \"\($0)\"" }
      + analyses.flatMap { analysis -> [String] in
        let open = analysis.rows.count { $0.row.kinds.isEmpty }
        guard open > 0 else { return [] }
        return [
          "missing: \(open) of \(NumberFormat.counted(analysis.rows.count, "cell")) of \"\(analysis.results.experiment.name)\""
        ]
      } + tables.flatMap(\.missing)
  }
}

/// Cells of another experiment, found by what they are of.
struct MatchedRows {
  private struct Key: Hashable {
    let model: String
    let strategy: String
    let parameters: JSONValue

    init(_ cell: CellRecord) {
      model = cell.modelDigest
      strategy = cell.strategy
      parameters = cell.strategyParameters
    }
  }

  private let rows: [Key: [AnalysedRow]]
  /// Of each model, by its digest.
  private let lengths: [String: Set<Int>]

  /// A cell that several experiments have counts once.
  init(_ rows: [AnalysedRow]) {
    var seen: Set<String> = []
    let rows = rows.filter { seen.insert($0.cell.identity).inserted }
    self.rows = Dictionary(grouping: rows) { Key($0.cell) }
    lengths = Dictionary(grouping: rows, by: \.cell.modelDigest)
      .mapValues { Set($0.map(\.cell.contextLength)) }
  }

  /// The length at which a model has cells: this one, else the nearest by ratio, of two the shorter; nil where it has none.
  func length(of model: String, nearest wanted: Int) -> Int? {
    lengths[model]?.min {
      (Self.distance($0, wanted), $0) < (Self.distance($1, wanted), $1)
    }
  }

  private static func distance(_ length: Int, _ wanted: Int) -> Double {
    Double(max(length, wanted)) / Double(max(1, min(length, wanted)))
  }

  /// Those of the same model and strategy at a length.
  func rows(like cell: CellRecord, at length: Int?) -> [AnalysedRow] {
    (rows[Key(cell)] ?? []).filter { $0.cell.contextLength == length }
  }
}
