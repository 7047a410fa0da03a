import Records

/// The strategies of one model and context length.
struct LeaderboardTable {
  let pool: Pool
  let experiment: String
  /// From the most bytes to the fewest, class by class; in a class the least loss first.
  let standings: [Standing]
  /// Planned here, but without results on every text.
  let incomplete: [String]
  /// At which lengths the needle was looked for and times were taken; nil where they were not.
  let needleLength: Int?
  let timeLength: Int?

  /// Nil for what is no likelihood.
  init?(
    _ pool: Pool, of analysis: ExperimentAnalysis, needles: MatchedRows, times: MatchedRows
  ) {
    guard let full = pool.full, let reference = pool.cells(of: full)?.first,
      PairedDifference.figure(of: reference.row.units) == .negativeLogLikelihood
    else { return nil }
    let length = pool.key.contextLength
    let needleLength = needles.length(of: reference.cell.modelDigest, nearest: length)
    let timeLength = times.length(of: reference.cell.modelDigest, nearest: length)
    let standings = pool.compared.compactMap { label -> Standing? in
      guard let cells = pool.cells(of: label) else { return nil }
      return Standing(
        label: label, cells: cells, share: pool.share(of: label),
        toFull: label == full ? nil : pool.difference(from: full, to: label),
        needles: needles.rows(like: cells[0].cell, at: needleLength),
        time: times.rows(like: cells[0].cell, at: timeLength).first)
    }
    self.pool = pool
    self.needleLength = needleLength
    self.timeLength = timeLength
    experiment = analysis.results.experiment.name
    self.standings = Self.ranked(standings, in: pool).sorted {
      (-($0.byteClass ?? 2), $0.toFull?.loss ?? -.infinity)
        < (-($1.byteClass ?? 2), $1.toFull?.loss ?? -.infinity)
    }
    let planned = analysis.rows.filter {
      $0.cell.model == pool.key.model && $0.cell.contextLength == length
    }
    incomplete = planned.map(\.label).uniqued.filter { !pool.labels.contains($0) }
  }

  /// With ranks inside each class; none where a class has a single strategy, or a pair of it cannot be tested.
  private static func ranked(_ standings: [Standing], in pool: Pool) -> [Standing] {
    var result = standings
    let competing = standings.indices.filter { standings[$0].competes }
    for (_, members) in competing.grouped({ standings[$0].byteClass }) where members.count > 1 {
      let pairs = members.enumerated().flatMap { place, first in
        members[(place + 1)...].map { (first, $0) }
      }
      let differences = pairs.compactMap { first, second in
        pool.difference(from: standings[first].label, to: standings[second].label)
      }
      let pValues = differences.compactMap(\.pValue)
      guard pValues.count == pairs.count else { continue }
      let verdicts = zip(differences, Holm.corrected(pValues)).map { $0.verdict(pValue: $1.pValue) }
      for index in members {
        // -1 where the second is better.
        let better = zip(pairs, verdicts).count {
          ($0.0 == index && $1 < 0) || ($0.1 == index && $1 > 0)
        }
        let worse = zip(pairs, verdicts).count {
          ($0.0 == index && $1 > 0) || ($0.1 == index && $1 < 0)
        }
        result[index].ranks = (better + 1)...(members.count - worse)
      }
    }
    return result
  }

  /// `smollm2-135m-instruct at 2,048 tokens`
  private var place: String { pool.place }

  func section(_ fidelities: [String: Fidelity]) -> ReportSection {
    func heading(_ name: String, _ length: Int?) -> String {
      guard let length, length != pool.key.contextLength else { return name }
      return "\(name) (at \(NumberFormat.count(length)))"
    }
    let columns: [ColumnRule<Standing>] = [
      .words("class") { .text($0.classText) },
      .init("rank", .lower) { $0.ranks.map { ReportCell.text(Standing.text($0)) } ?? .missing },
      .words("strategy") { $0.cells[0].strategy },
      .words("fidelity") { .text(fidelities[$0.cells[0].cell.strategy]?.rawValue ?? "not known") },
      .init("ΔNLL", unit: "nats a token", .lower) { .difference($0.toFull) },
      .words("worst text") { [pool] in .text($0.toFull == nil ? "" : pool.worstText($0.label)) },
      .init(heading("needle", needleLength), .higher) { $0.needle },
      .init(heading("next token ÷ full", timeLength), .lower) { $0.ratio(.timePerOutputToken) },
      .init(heading("first token ÷ full", timeLength), .lower) { $0.ratio(.timeToFirstToken) },
      .init("KV cache ÷ f16", .lower) {
        ReportCell(
          $0.share.map { ReportCell.Content.number($0, .fixed(3)) } ?? .missing,
          note: $0.matchNote)
      },
      .init("KV cache", unit: "MiB", .lower) { [pool] standing in
        .number(pool.mean(standing.label, \.heldBytes), .mebibytes)
      },
      .init("its peak", unit: "MiB", .lower) { [pool] standing in
        .number(pool.mean(standing.label) { $0.row[.peakKVCacheResidentBytes] }, .mebibytes)
      },
    ]
    let clusters = standings.lazy.compactMap { $0.toFull?.clusters }.first
    return ReportSection(
      title: place,
      text: [
        "\(pool.title), of the experiment \"\(experiment)\""
          + (clusters.map { "; ΔNLL over \($0)" } ?? "") + "."
      ], tables: [ReportTable(standings, columns)])
  }

  /// What this table lacks.
  var missing: [String] {
    var missing: [String] = []
    if !pool.later.isEmpty {
      missing.append(
        "left out at \(place), since they act only after the tokens that were scored (protocol prefill): "
          + pool.later.joined(separator: ", "))
    }
    if !incomplete.isEmpty {
      missing.append(
        "missing at \(place): results on every text of \(incomplete.joined(separator: ", "))")
    }
    for (length, what) in [(needleLength, "needles"), (timeLength, "times")] {
      guard let length else {
        missing.append("missing at \(place): \(what) of this model at any length")
        continue
      }
      // Full's own time is what others are held against.
      let lacking = standings.filter {
        what == "needles" ? $0.needles.isEmpty : $0.time == nil && $0.toFull != nil
      }.map(\.label)
      if !lacking.isEmpty {
        missing.append(
          "missing at \(place): \(what) (at \(NumberFormat.count(length))) of "
            + lacking.joined(separator: ", "))
      }
    }
    return missing
  }
}

/// One strategy of a leaderboard.
struct Standing {
  let label: String
  /// One for each text.
  let cells: [AnalysedRow]
  /// Mean KV bytes over full's in float16; nil where they were not measured.
  let share: Double?
  /// Nil of full itself.
  let toFull: PairedDifference?
  /// Its cells of the needle task.
  let needles: [AnalysedRow]
  /// Its timed cell.
  let time: AnalysedRow?
  /// Those it may have in its class.
  var ranks: ClosedRange<Int>?

  private static let shares = [0.125, 0.25, 0.5]

  /// The smallest of the shares that holds its bytes, to the tolerance of a match; 1 where none does, nil where they were
  /// not measured.
  var byteClass: Double? {
    share.map { share in
      Self.shares.first { share <= $0 * (1 + MatchStatus.tolerance) } ?? 1
    }
  }

  /// `25 %`
  var classText: String {
    guard let byteClass else { return "not measured" }
    if byteClass == 1 { return "above 50 %" }
    let percent = 100 * byteClass
    return "\(NumberFormat.fixed(percent == percent.rounded() ? 0 : 1).text(percent)) %"
  }

  /// Full is what others are held against, and an oracle bounds them.
  var competes: Bool { toFull != nil && byteClass != nil && cells[0].cell.strategyRole != .oracle }

  /// `1`, `2–4`
  static func text(_ ranks: ClosedRange<Int>) -> String {
    ranks.count == 1 ? "\(ranks.lowerBound)" : "\(ranks.lowerBound)–\(ranks.upperBound)"
  }

  /// How its bytes stand to its budget, where they are not what was asked for.
  var matchNote: String {
    let statuses = cells.compactMap(\.row.matchStatus).filter { $0 != .matched }
    return statuses.isEmpty
      ? "" : "(\(statuses.map(\.rawValue).uniqued.joined(separator: ", ")))"
  }

  /// Of one task with its interval, else the mean over several.
  var needle: ReportCell {
    guard let first = needles.first else { return .missing }
    if needles.count > 1 { return .number(needles.compactMap { $0.row[.score] }.mean, .fixed(2)) }
    return .number(
      first.row[.score], .fixed(2), ScoreMean(first.row.units)?.interval,
      marks: first.isAtChance ? [.atChance] : [])
  }

  func ratio(_ figure: TimeFigure) -> ReportCell {
    guard let time, !time.row.isFull else { return .missing }
    return .median(time.ratios[figure], .fixed(2), marks: time.timeMarks)
  }
}

extension Pool {
  /// Mean KV bytes of a strategy over full's: of the layers without a window, else of all.
  fileprivate func share(of label: String) -> Double? {
    [ByteShare.meanLogical, .meanResident].lazy.compactMap { self.mean(label, $0.value) }.first
  }
}
