import Attention
import JSON
import Tensors

/// How a spec's `xattention` with a `calibrationCorpus` gets its thresholds.
public struct XAttentionCalibration: CalibratedStrategy {
  public init() {}

  public var strategy: String { XAttention.description.name }

  public func request(
    parameters: JSONValue, contextLength: Int
  ) throws -> CalibrationRequest? {
    let configuration = try configuration(parameters)
    guard let corpus = corpus(configuration, parameters) else { return nil }
    return CalibrationRequest(
      corpus: corpus,
      tokens: try CalibrationRequest.tokens(
        configuration.calibrationLength, default: 4096, contextLength: contextLength),
      options: try JSONValue(
        encoding: XAttentionCalibrator.Options(
          stride: configuration.stride, blockSize: configuration.blockSize)))
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    let options = try request.options.decode(as: XAttentionCalibrator.Options.self)
    return CalibratingAttention(
      XAttentionCalibrator(options, for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    guard let found = try? evidence.decode(as: XAttentionEvidence.self), found.isConsistent else {
      throw CalibrationError.damagedEvidence(strategy: strategy)
    }
    return parameters.setting(
      "thresholds", to: .array(found.thresholds.map(JSONValue.number)))
  }

  public func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue {
    let configuration = try configuration(parameters)
    guard corpus(configuration, parameters) != nil else { return parameters }
    return parameters.setting(
      "thresholds",
      to: .array(
        Array(
          repeating: .number(configuration.threshold), count: shape.layers * shape.queryHeads)))
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? { nil }

  /// The text to calibrate on; nil where thresholds are given, by number or by a budget.
  private func corpus(
    _ configuration: XAttention.Configuration, _ parameters: JSONValue
  ) -> String? {
    let hasBudget = parameters["budget"].map { !$0.isNull } ?? false
    return hasBudget || configuration.thresholds != nil ? nil : configuration.calibrationCorpus
  }

  /// The parameters but the budget as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> XAttention.Configuration {
    let configuration = try StrategyEntry<XAttention>().configuration(
      parameters.setting("budget", to: .null))
    try configuration.checkSizes()
    return configuration
  }
}
