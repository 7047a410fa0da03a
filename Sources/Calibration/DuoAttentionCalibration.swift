import Attention
import JSON
import Tensors

/// How a spec's `duo-attention` is calibrated: one pass a model, text and length, for all sparsities and sizes.
public struct DuoAttentionCalibration: CalibratedStrategy {
  public init() {}

  public var strategy: String { DuoAttention.description.name }

  public func request(
    parameters: JSONValue, contextLength: Int
  ) throws -> CalibrationRequest? {
    let configuration = try configuration(parameters)
    guard configuration.heads == nil else { return nil }
    let tokens = try CalibrationRequest.tokens(
      configuration.calibrationLength, default: DuoAttention.defaultCalibrationLength,
      contextLength: contextLength)
    return CalibrationRequest(
      corpus: configuration.calibrationCorpus, tokens: tokens, options: [:])
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    CalibratingAttention(DuoAttentionCalibrator(for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    guard let found = try? evidence.decode(as: DuoAttentionEvidence.self), found.isConsistent
    else { throw CalibrationError.damagedEvidence(strategy: strategy) }
    return parameters.setting("heads", to: .array(found.scores.map(JSONValue.number)))
  }

  /// The scores do not matter for what is checked.
  public func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue {
    guard try configuration(parameters).heads == nil else { return parameters }
    return parameters.setting(
      "heads",
      to: .array(Array(repeating: .integer(0), count: shape.layers * shape.kvHeads)))
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? { nil }

  /// The parameters as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> DuoAttention.Configuration {
    let configuration = try StrategyEntry<DuoAttention>().configuration(parameters)
    try DuoAttention.checkSizes(configuration)
    return configuration
  }
}
