import Records

/// What one place of a table holds: a value, which renderers write down, and not a finished text.
public struct ReportCell: Sendable, Hashable {
  public enum Content: Sendable, Hashable {
    case text(String)
    case number(Double, NumberFormat)
    /// A 95 % interval that stands alone.
    case interval(Interval, NumberFormat)
    /// Not measured, or it does not exist.
    case missing
  }

  /// How far a number can be trusted, in the number's own unit.
  public enum Uncertainty: Sendable, Hashable {
    /// 95 %.
    case interval(Interval)
    /// How likely a difference as large is where there is none.
    case probability(Double)
    /// Of repeats, around their median.
    case quartiles(Interval)
    case standardError(Double)
  }

  public var content: Content
  public var uncertainty: Uncertainty?
  public var marks: [Mark]
  /// Words behind a number: `of 6`.
  public var note: String
  /// Where the figures of a column differ in their direction, its own.
  public var polarity = Polarity.neither

  public init(
    _ content: Content, _ uncertainty: Uncertainty? = nil, marks: [Mark] = [], note: String = ""
  ) {
    self.content = content
    self.uncertainty = uncertainty
    self.marks = marks
    self.note = note
  }

  /// The number in the unit that it is shown in, not rounded; nil for all else.
  public var shownValue: Double? {
    if case .number(let value, let format) = content { format.scaled(value) } else { nil }
  }
}

// MARK: - Cells of what is measured

extension ReportCell: ExpressibleByStringInterpolation {
  public init(stringLiteral text: String) { self.init(.text(text)) }

  static let missing = ReportCell(.missing)

  static func text(_ text: String, marks: [Mark] = []) -> ReportCell {
    ReportCell(.text(text), marks: marks)
  }

  static func count(_ value: Int, note: String = "") -> ReportCell {
    ReportCell(.number(Double(value), .count), note: note)
  }

  /// Missing for nil and NaN, whatever is known of its interval.
  static func number(
    _ value: Double?, _ format: NumberFormat, _ interval: Interval? = nil, marks: [Mark] = []
  ) -> ReportCell {
    guard let value, !value.isNaN else { return .missing }
    return ReportCell(.number(value, format), interval.map(Uncertainty.interval), marks: marks)
  }

  /// The median, with its interval where it has one, else its quartiles where there was more than one repeat.
  static func median(
    _ spread: Spread?, _ format: NumberFormat, marks: [Mark] = []
  ) -> ReportCell {
    guard let spread else { return .missing }
    let quartiles = Interval(low: spread.lowerQuartile, high: spread.upperQuartile)
    return ReportCell(
      .number(spread.median, format),
      spread.interval.map(Uncertainty.interval)
        ?? (spread.count > 1 ? .quartiles(quartiles) : nil), marks: marks)
  }

  static func difference(_ difference: PairedDifference?) -> ReportCell {
    guard let difference else { return .missing }
    let isScore = difference.figure == .score
    let probability = isScore ? difference.pValue : nil
    var cell = ReportCell(
      .number(difference.mean, difference.format),
      difference.interval.map(Uncertainty.interval) ?? probability.map(Uncertainty.probability))
    cell.polarity = isScore ? .higher : .lower
    return cell
  }
}

// MARK: - Plain text

extension ReportCell {
  /// `0.712 (0.700–0.731)`, `1.03 [0.98, 1.07]`, `tca †`, `–`
  public var plainText: String {
    [valueText, uncertaintyText, note].filter { !$0.isEmpty }.joined(separator: " ")
  }

  /// What it is, with its marks: `0.712`, `tca †`, `–`.
  var valueText: String {
    switch content {
    case .missing: NumberFormat.missing
    case .text(let text): ([text] + marks.map(\.symbol)).joined(separator: " ")
    case .interval(let interval, let format): format.text(interval)
    case .number(let value, let format): format.text(value) + marks.map(\.symbol).joined()
    }
  }

  /// How far it can be trusted: `[0.98, 1.07]`, `(p 0.031)`, `± 0.01`; "" where that is not known.
  var uncertaintyText: String {
    guard case .number(_, let format) = content, let uncertainty else { return "" }
    return switch uncertainty {
    case .interval(let interval): format.text(interval)
    case .probability(let p): "(p \(NumberFormat.significant.text(p)))"
    case .quartiles(let range): "(\(format.text(range.low))–\(format.text(range.high)))"
    case .standardError(let error): "± \(format.text(error))"
    }
  }
}

/// What a reader must know of a figure before using it.
public enum Mark: Sendable, Hashable, CaseIterable {
  case looksAhead, actsLater, readsFuture, atChance, unsteady, fewRepeats

  public var symbol: String {
    switch self {
    case .looksAhead: "†"
    case .actsLater: "‖"
    case .readsFuture: "§"
    case .atChance: "‡"
    case .unsteady: "¶"
    case .fewRepeats: "?"
    }
  }

  /// The footnote of a report.
  public var footnote: String {
    switch self {
    case .looksAhead:
      "selectionLooksAhead: the selection is made once from the whole prompt, so later tokens chose what earlier "
        + "queries see; compare the continuation protocol."
    case .actsLater:
      "The tokens that were scored are the prompt's own (protocol prefill), and of the prompt this strategy leaves nothing out, "
        + "or a part of it does not: it acts afterwards. Its loss says nothing of what it holds, so it stands in no figure of "
        + "loss, dominates nothing, and has no rank, no equal budget and no contrast; compare the continuation protocol."
    case .readsFuture:
      "Reads the future: an oracle that is told which tokens the queries after the prompt attend to. It bounds "
        + "methods, and is none."
    case .atChance:
      "Full attention is at chance: its score is 0, or its interval reaches the score of somebody who guesses. "
        + "Differences there mean nothing."
    case .unsteady:
      "Full attention timed twice in these rounds differs from itself beyond the interval: the machine was not steady, "
        + "and ratios of this group may be off by as much."
    case .fewRepeats:
      "Fewer than \(SignedRank.leastValues) repeats: no interval, so the ratio may be noise."
    }
  }

  /// The footnote where there is little room.
  public var shortFootnote: String {
    switch self {
    case .looksAhead: "The selection saw the tokens that are scored; compare the continuation."
    case .actsLater:
      "Scored on the prompt, of which it leaves nothing out: no loss of its own; compare the continuation."
    case .readsFuture: "Reads the future: an oracle, which bounds methods and is none."
    case .atChance: "Full attention scores no better than guessing: differences mean nothing."
    case .unsteady: "The machine was not steady: full differs from itself beyond the interval."
    case .fewRepeats: footnote
    }
  }
}
