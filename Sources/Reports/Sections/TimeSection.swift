import Records

extension ExperimentAnalysis {
  /// Stages of prefill and decode, rates, and from which length on a strategy is faster.
  var timeSection: ReportSection {
    let timed = rows.filter { !$0.times.isEmpty }
    func milliseconds(_ analysed: AnalysedRow, _ figure: TimeFigure) -> String {
      NumberText.milliseconds(analysed.times[figure]?.median)
    }
    let prefill = ReportTable(
      columns: AnalysedRow.nameColumns + [
        .init("prefill", unit: "tokens/s", .higher), .init("attention", unit: "ms", .lower),
        .init("selection", unit: "ms", .lower), .init("compaction", unit: "ms", .lower),
        .init("other", unit: "ms", .lower), .init("attention ratio", .lower),
        .init("attention and selection ratio", .lower), .init("first token ratio", .lower),
      ],
      rows: timed.map { analysed in
        analysed.names + [
          NumberText.fixed(analysed.times[.prefillTokensPerSecond]?.median, 1),
          milliseconds(analysed, .attentionTime), milliseconds(analysed, .selectionTime),
          milliseconds(analysed, .compactionTime), milliseconds(analysed, .otherTime),
          analysed.ratioText(.attentionTime), analysed.ratioText(.attentionAndSelectionTime),
          analysed.ratioText(.timeToFirstToken),
        ]
      })
    let decoding = timed.filter { $0.times[.timePerOutputToken] != nil }
    let decode = ReportTable(
      columns: AnalysedRow.nameColumns + [
        .init("decode", unit: "tokens/s", .higher), .init("attention", unit: "ms", .lower),
        .init("selection", unit: "ms", .lower), .init("compaction", unit: "ms", .lower),
        .init("other", unit: "ms", .lower), .init("attention ratio", .lower),
        .init("next token ratio", .lower),
      ],
      rows: decoding.map { analysed in
        analysed.names + [
          NumberText.fixed(analysed.times[.decodeTokensPerSecond]?.median, 1),
          NumberText.fixed(analysed.times[.decodeAttentionTime].map { $0.median * 1000 }, 3),
          NumberText.fixed(analysed.times[.decodeSelectionTime].map { $0.median * 1000 }, 3),
          NumberText.fixed(analysed.times[.decodeCompactionTime].map { $0.median * 1000 }, 3),
          NumberText.fixed(analysed.times[.decodeOtherTime].map { $0.median * 1000 }, 3),
          analysed.ratioText(.decodeAttentionTime), analysed.ratioText(.timePerOutputToken),
        ]
      })
    return ReportSection(
      "Time",
      text: timed.isEmpty
        ? []
        : [
          "Medians over the repeats of a cell's newest timing group, stages of the prefill, then stages per decode "
            + "token. Ratios are formed repeat by repeat inside the group, then the median."
        ],
      tables: [prefill, decode], items: crossovers)
  }

  /// The shortest context from which a strategy's first token stays ahead of full's, for every length beyond.
  private var crossovers: [String] {
    struct Line: Hashable {
      var model: String
      var task: String
      var label: String
    }
    var order: [Line] = []
    var points: [Line: [(length: Int, isFaster: Bool)]] = [:]
    for analysed in rows where !analysed.row.isFull {
      guard let ratio = analysed.ratios[.timeToFirstToken] else { continue }
      let line = Line(
        model: analysed.cell.model, task: analysed.task, label: analysed.row.planned.label)
      if points[line] == nil { order.append(line) }
      points[line, default: []].append((analysed.cell.contextLength, ratio.range.high < 1))
    }
    return order.compactMap { line in
      let sorted = (points[line] ?? []).sorted { $0.length < $1.length }
      guard sorted.count > 1 else { return nil }
      let ahead = sorted.reversed().prefix { $0.isFaster }.last
      let text = ahead.map { "from \(NumberText.count($0.length)) tokens on" } ?? "not reached"
      return
        "Crossover length of the first token, \(line.label), \(line.model), \(line.task): \(text)"
    }
  }
}
