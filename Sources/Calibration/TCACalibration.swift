import Attention
import Records
import Tensors

/// How a spec's `tca` is calibrated: one pass a model, text, length and selection options, for all thresholds and
/// criteria.
public struct TCACalibration: CalibratedStrategy {
  public init() {}

  public var strategy: String { TCA.description.name }

  public func request(
    parameters: JSONValue, contextLength: Int
  ) throws -> CalibrationRequest? {
    let configuration = try configuration(parameters)
    guard configuration.heads == nil else { return nil }
    let needed = configuration.localWindow + configuration.blockSize
    let tokens =
      configuration.calibrationLength ?? min(contextLength, max(2048, 2 * needed))
    guard tokens <= contextLength else {
      throw ConfigurationError(
        "calibrationLength",
        "\(tokens) tokens are more than the model takes; use at most \(contextLength)")
    }
    return CalibrationRequest(
      corpus: configuration.calibrationCorpus, tokens: tokens,
      options: try JSONValue(encoding: TCACalibrator.Options(configuration)))
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    let options = try request.options.decode(as: TCACalibrator.Options.self)
    return CalibratingAttention(
      TCACalibrator(options, for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    let heads = try choice(parameters, evidence)
    var members = parameters.objectValue ?? [:]
    members["heads"] = .array(heads.map(JSONValue.integer))
    return .object(members)
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? {
    let heads = try choice(parameters, evidence)
    let dense = heads.count { $0 == TCACandidate.keepEverything }
    guard dense > 0 else { return nil }
    let configuration = try configuration(parameters)
    let tokens = try evidence.decode(as: TCAEvidence.self).tokens
    if dense == heads.count && tokens <= configuration.localWindow + configuration.blockSize {
      return
        "tca keeps everything: the local window of \(configuration.localWindow) covers the \(tokens) calibration tokens"
    }
    return
      "tca: \(dense) of \(heads.count) query heads keep everything, since none of their candidates reaches \(configuration.criterion.rawValue) \(configuration.threshold)"
  }

  private func choice(_ parameters: JSONValue, _ evidence: JSONValue) throws -> [Int] {
    let configuration = try configuration(parameters)
    return try evidence.decode(as: TCAEvidence.self).choose(
      threshold: configuration.threshold, criterion: configuration.criterion)
  }

  /// The parameters as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> TCA.Configuration {
    let filled = StrategyEntry<TCA>().filledParameters(parameters)
    let configuration = try filled.decode(as: TCA.Configuration.self)
    try TCA.checkSizes(configuration)
    return configuration
  }
}

extension CalibratingAttention: CalibrationPass {
  public func evidence() throws -> JSONValue { try JSONValue(encoding: finish()) }
}
