/// A time, or a rate, that every timed repetition gives: what it is in a sample and which columns show it.
public enum TimeFigure: String, Sendable, Hashable, CaseIterable {
  case timeToFirstToken, timePerOutputToken
  case attentionTime, selectionTime, attentionAndSelectionTime, compactionTime, otherTime
  case decodeAttentionTime, decodeSelectionTime, decodeCompactionTime, decodeOtherTime
  case prefillTokensPerSecond, decodeTokensPerSecond

  /// Seconds or tokens per second; nil where the sample has no decode steps.
  public func value(_ sample: TimingSample) -> Double? {
    switch self {
    case .timeToFirstToken: sample.timeToFirstToken
    case .timePerOutputToken: sample.timePerOutputToken
    case .attentionTime: sample.attentionTime
    case .selectionTime: sample.selectionTime
    case .attentionAndSelectionTime: sample.attentionTime + sample.selectionTime
    case .compactionTime: sample.compactionTime
    case .otherTime: sample.otherTime
    case .decodeAttentionTime: sample.decodeAttentionTime
    case .decodeSelectionTime: sample.decodeSelectionTime
    case .decodeCompactionTime: sample.decodeCompactionTime
    case .decodeOtherTime: sample.decodeOtherTime
    case .prefillTokensPerSecond:
      sample.timeToFirstToken > 0 ? Double(sample.promptTokens) / sample.timeToFirstToken : nil
    case .decodeTokensPerSecond:
      sample.timePerOutputToken.flatMap { $0 > 0 ? 1 / $0 : nil }
    }
  }

  /// The column of its median.
  public var column: ComparisonColumn {
    switch self {
    case .timeToFirstToken: .timeToFirstToken
    case .timePerOutputToken: .timePerOutputToken
    case .attentionTime: .attentionTime
    case .selectionTime: .selectionTime
    case .attentionAndSelectionTime: .attentionAndSelectionTime
    case .compactionTime: .compactionTime
    case .otherTime: .otherTime
    case .decodeAttentionTime: .decodeAttentionTime
    case .decodeSelectionTime: .decodeSelectionTime
    case .decodeCompactionTime: .decodeCompactionTime
    case .decodeOtherTime: .decodeOtherTime
    case .prefillTokensPerSecond: .prefillTokensPerSecond
    case .decodeTokensPerSecond: .decodeTokensPerSecond
    }
  }

  /// The column of the median ratio to full, repeat by repeat; nil where none is shown.
  public var ratioColumn: ComparisonColumn? {
    ComparisonColumn(rawValue: column.rawValue + "_ratio")
  }
}
