import JSON
import Records

/// One model, context length and kind of task: the place where strategies are compared. The texts of a perplexity task,
/// or the tasks of a family, are taken together.
struct Pool: Sendable {
  let key: Key
  /// By the cell of full, one a text or task, in the order of the rows.
  let tasks: [String]
  /// What tells the texts or tasks apart, in the same order: `kjv`, `niah_multikey_1`, `corpus=kjv task=vt`.
  let names: [String]
  /// What they are names of: `text` or `task`.
  let noun: String
  /// Of the strategies that have a cell for each task, in the order of the plan.
  let labels: [String]
  /// Those of them whose quality says what they do.
  let compared: [String]
  /// The others, which acted only after the tokens that were scored.
  let later: [String]
  /// Of the first task.
  private let taskLabel: String
  private let complete: [String: [AnalysedRow]]
  /// By the cells that budgets match.
  private let matchedLabels: [String: String]
  /// What tells pools of its kind apart, by name: `scoredTokens` 256, `queryAware` false.
  private(set) var distinction: [String: String] = [:]
  /// What at least two strategies have; nil where bytes were not measured.
  private(set) var byteShare: ByteShare?

  /// - Parameter rows: at least one.
  init(_ key: Key, _ rows: [AnalysedRow]) {
    self.key = key
    let places = rows.grouped(\.row.planned.fullIdentity)
    let tasks = places.map(\.key)
    let groups = rows.grouped(\.label)
    self.tasks = tasks
    let first = places.map { $0.elements[0] }
    names = Self.names(of: first)
    let isScored = PairedDifference.figure(of: rows[0].row.units) == .score
    noun = isScored && !Self.areTexts(first) ? "task" : "text"
    taskLabel = rows[0].task
    let matched = Set(rows.compactMap(\.row.planned.matchedIdentity))
    matchedLabels = Dictionary(
      rows.filter { matched.contains($0.cell.identity) }.map { ($0.cell.identity, $0.label) },
      uniquingKeysWith: { first, _ in first })
    complete = Dictionary(
      uniqueKeysWithValues: groups.compactMap { label, rows in
        let cells = Dictionary(
          rows.map { ($0.row.planned.fullIdentity, $0) }, uniquingKeysWith: { $1 })
        let found = tasks.compactMap { cells[$0] }
        return found.count == tasks.count ? (label, found) : nil
      })
    labels = groups.map(\.key).filter { [complete] in complete[$0] != nil }
    let late = Set(complete.filter { $0.value.contains(where: \.actsLater) }.keys)
    compared = labels.filter { !late.contains($0) }
    later = labels.filter { late.contains($0) }
    byteShare = ByteShare.allCases.first { share in
      labels.count { mean($0, share.value) != nil } > 1
    }
  }

  /// Of several the parameters in which they differ, by name as in the labels of strategies: `corpus=kjv task=vt`. Where
  /// one tells them apart and its values are words, these say enough: `kjv` of `corpus=corpora/kjv.txt`. A task that
  /// stands alone is called by its text, or else by its label.
  private static func names(of rows: [AnalysedRow]) -> [String] {
    if rows.count == 1 { return [text(of: rows[0]) ?? rows[0].task] }
    let keys = TaskLabels.distinguishing(
      rows.map { $0.cell.taskParameters.objectValue ?? [:] }
    ).sorted()
    let isSaidByValues =
      keys.count == 1 && rows.allSatisfy { $0.cell.taskParameters[keys[0]]?.stringValue != nil }
    return rows.map { row in
      let words = keys.map { key in
        let value = row.cell.taskParameters[key] ?? .null
        let text = value.stringValue.map { fileName(Substring($0)) } ?? value.canonicalText
        return isSaidByValues ? text : "\(key)=\(text)"
      }
      return words.isEmpty ? row.task : words.joined(separator: " ")
    }
  }

  /// Whether these tasks differ in their text alone, or one that stands alone is called by it.
  private static func areTexts(_ rows: [AnalysedRow]) -> Bool {
    let keys =
      rows.count == 1
      ? ["corpus"]
      : TaskLabels.distinguishing(rows.map { $0.cell.taskParameters.objectValue ?? [:] })
    return keys == ["corpus"] && rows.allSatisfy { text(of: $0) != nil }
  }

  /// The text that a task is about; of a family's tasks each is about something of its own, and not all read one.
  private static func text(of row: AnalysedRow) -> String? {
    guard row.cell.taskParameters["task"] == nil else { return nil }
    return row.cell.taskParameters["corpus"]?.stringValue.map { fileName(Substring($0)) }
  }

  /// Without folder and ending.
  private static func fileName(_ path: Substring) -> String {
    let file = path.split(separator: "/").last ?? path
    return file.hasSuffix(".txt") ? String(file.dropLast(4)) : String(file)
  }

  /// Whom comparisons of these pools leave out, and why; "" where nobody is.
  static func laterWords(_ pools: [Pool]) -> String {
    let labels = pools.flatMap(\.later).uniqued
    if labels.isEmpty { return "" }
    return "Left out, for they act only after the tokens that were scored (protocol prefill): "
      + labels.joined(separator: ", ") + "."
  }

  /// Whether several texts or tasks are taken together.
  var isPool: Bool { tasks.count > 1 }

  /// `perplexity/continuation, 5 together`; of one task its own label.
  var title: String {
    guard isPool else { return taskLabel }
    return "\(key.kind), \(tasks.count) together" + (key.queryAware ? "" : ", not query-aware")
      + parameterWords
  }

  /// Above a panel of a figure: `smollm2-135m at 2,048 tokens, scoredTokens=256`.
  var panelTitle: String { place + parameterWords }

  /// `, joinLines=false`; of whether the question was seen there are words.
  private var parameterWords: String {
    let parameters = Key.words(of: distinction.filter { $0.key != Key.queryAwareName })
    return parameters.isEmpty ? "" : ", \(parameters)"
  }

  /// `smollm2-135m at 2,048 tokens`
  var place: String { "\(key.model) at \(NumberFormat.counted(key.contextLength, "token"))" }

  /// `queryAware=false`; empty where there is nothing that tells pools of its kind apart.
  var distinctionWords: String { Key.words(of: distinction) }

  /// One cell for each task; nil for a label that lacks one.
  func cells(of label: String) -> [AnalysedRow]? { complete[label] }

  var full: String? { labels.first { complete[$0]?[0].row.isFull == true } }

  /// Second minus first: over texts where there are several, else over windows; over prompts for scores.
  func difference(from first: String, to second: String) -> PairedDifference? {
    guard let first = complete[first], let second = complete[second] else { return nil }
    return PairedDifference(from: first, to: second)
  }

  /// The label of the cells whose use the label's budget matches.
  func reference(of label: String) -> String? {
    complete[label]?[0].row.planned.matchedIdentity.flatMap { matchedLabels[$0] }
  }

  /// The mean of a figure over the tasks; nil unless all have one.
  func mean(_ label: String, _ figure: (AnalysedRow) -> Double?) -> Double? {
    guard let cells = complete[label] else { return nil }
    let values = cells.compactMap(figure)
    return values.count == cells.count ? values.mean : nil
  }

  /// Second over first, over the repeats of all tasks, each inside the newest timing group that holds both; nil where
  /// these come from several machines or builds.
  func timeRatio(_ figure: TimeFigure, of second: String, to first: String) -> Spread? {
    guard let above = complete[second], let below = complete[first] else { return nil }
    var groups: [IndexedGroup] = []
    var ratios: [[Double]] = []
    for (own, other) in zip(above, below) {
      let group = own.timingGroup(with: other)
      if let group { groups.append(group) }
      ratios.append(group?.ratios(figure, of: own.cell.identity, to: other.cell.identity) ?? [])
    }
    return TimingOrigin.isOne(of: groups) ? Spread(pooling: ratios) : nil
  }
}

extension Pool {
  /// Single tasks among them. What full attention only guesses at says nothing of a method and is left out.
  static func all(of rows: [AnalysedRow]) -> [Pool] {
    let pools = rows.filter { !$0.row.units.isEmpty && !$0.isAtChance }.grouped(\.poolKey)
      .map { Pool($0, $1) }
    let distinctions = Key.distinctions(of: pools.map(\.key))
    return pools.map { pool in
      var pool = pool
      pool.distinction = distinctions[pool.key] ?? [:]
      return pool
    }
  }
}
