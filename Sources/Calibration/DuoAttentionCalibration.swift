import Attention
import Records
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
    let tokens =
      configuration.calibrationLength ?? min(contextLength, DuoAttention.defaultCalibrationLength)
    guard tokens <= contextLength else {
      throw ConfigurationError(
        "calibrationLength",
        "\(tokens) tokens are more than the model takes; use at most \(contextLength)")
    }
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
    var members = parameters.objectValue ?? [:]
    members["heads"] = .array(found.scores.map(JSONValue.number))
    return .object(members)
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? { nil }

  /// The parameters as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> DuoAttention.Configuration {
    let configuration = try StrategyEntry<DuoAttention>().configuration(parameters)
    try DuoAttention.checkSizes(configuration)
    return configuration
  }
}
