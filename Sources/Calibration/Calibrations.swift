import Attention
import Tensors

extension TCA: CalibratedStrategy {
  public typealias Watcher = TCACalibrator

  public var calibrationText: CalibrationText? {
    heads != nil
      ? nil
      : CalibrationText(
        corpus: calibrationCorpus, length: calibrationLength,
        defaultLength: CalibrationText.length(toLeave: localWindow + blockSize))
  }

  public var calibrationOptions: TCACalibrator.Options { TCACalibrator.Options(self) }

  public mutating func adopt(_ evidence: TCAEvidence) -> String? {
    let choice = evidence.choose(threshold: threshold, criterion: criterion)
    heads = choice
    let dense = choice.count { $0 == TCACandidate.keepEverything }
    guard dense > 0 else { return nil }
    let hidden = localWindow + blockSize
    return evidence.tokens <= hidden
      ? "tca keeps everything: none of the \(evidence.tokens) calibration tokens leaves the local window of \(localWindow); calibrate on more than \(hidden) or use a smaller localWindow"
      : "tca: \(dense) of \(choice.count) query heads keep everything, since none of their candidates reaches \(criterion.rawValue) \(threshold)"
  }

  public mutating func assumeCalibrated(for shape: AttentionShape) {
    heads = Array(repeating: TCACandidate.keepEverything, count: shape.layers * shape.queryHeads)
  }
}

extension TCAPlus: CalibratedStrategy {
  public typealias Watcher = TCAPlusCalibrator

  public var calibrationText: CalibrationText? {
    heads != nil
      ? nil
      : CalibrationText(
        corpus: calibrationCorpus, length: calibrationLength,
        defaultLength: CalibrationText.length(toLeave: localWindow + ColdTier.pageTokens))
  }

  public var calibrationOptions: TCAPlusCalibrator.Options { TCAPlusCalibrator.Options(self) }

  public mutating func adopt(_ evidence: TCAPlusEvidence) -> String? {
    let choice = evidence.choose(threshold: threshold)
    heads = choice
    let dense = choice.count { $0 < 0 }
    guard dense > 0 else { return nil }
    let hidden = localWindow + ColdTier.pageTokens
    return evidence.tokens <= hidden
      ? "tca-plus keeps everything: none of the \(evidence.tokens) calibration tokens leaves the local window of \(localWindow); calibrate on more than \(hidden) or use a smaller localWindow"
      : "tca-plus: \(dense) of \(choice.count) query heads keep everything, since with no share nine queries in ten keep \(threshold) of their attention"
  }

  public mutating func assumeCalibrated(for shape: AttentionShape) {
    heads = Array(repeating: -1, count: shape.layers * shape.queryHeads)
  }
}

extension MInference: CalibratedStrategy {
  public typealias Watcher = MInferenceCalibrator

  public var calibrationText: CalibrationText? {
    pattern != .search || heads != nil
      ? nil
      : CalibrationText(
        corpus: calibrationCorpus, length: calibrationLength, defaultLength: 4096)
  }

  public var calibrationOptions: MInferenceCalibrator.Options {
    MInferenceCalibrator.Options(self)
  }

  public mutating func adopt(_ evidence: MInferenceEvidence) -> String? {
    heads = evidence.entries.map(\.choice)
    return nil
  }

  public mutating func assumeCalibrated(for shape: AttentionShape) {
    heads = Array(repeating: -1, count: shape.layers * shape.queryHeads)
  }
}

extension XAttention: CalibratedStrategy {
  public typealias Watcher = XAttentionCalibrator

  /// None where thresholds are given, by number or by a budget.
  public var calibrationText: CalibrationText? {
    guard budget == nil, thresholds == nil, let calibrationCorpus else { return nil }
    return CalibrationText(
      corpus: calibrationCorpus, length: calibrationLength, defaultLength: 4096)
  }

  public var calibrationOptions: XAttentionCalibrator.Options {
    XAttentionCalibrator.Options(stride: stride, blockSize: blockSize)
  }

  public mutating func adopt(_ evidence: XAttentionEvidence) -> String? {
    thresholds = evidence.thresholds
    return nil
  }

  public mutating func assumeCalibrated(for shape: AttentionShape) {
    thresholds = Array(repeating: threshold, count: shape.layers * shape.queryHeads)
  }
}

extension DuoAttention: CalibratedStrategy {
  public typealias Watcher = DuoAttentionCalibrator

  public var calibrationText: CalibrationText? {
    heads != nil
      ? nil
      : CalibrationText(
        corpus: calibrationCorpus, length: calibrationLength, defaultLength: 2048)
  }

  public var calibrationOptions: DuoAttentionCalibrator.Options { .init() }

  public mutating func adopt(_ evidence: DuoAttentionEvidence) -> String? {
    heads = evidence.scores
    return nil
  }

  /// The scores do not matter for what is checked.
  public mutating func assumeCalibrated(for shape: AttentionShape) {
    heads = Array(repeating: 0, count: shape.layers * shape.kvHeads)
  }
}
