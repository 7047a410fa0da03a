import Attention
import JSON
import Tensors

/// How a spec's `minference` with the pattern `search` is calibrated.
public struct MInferenceCalibration: CalibratedStrategy {
  public init() {}

  public var strategy: String { MInference.description.name }

  public func request(
    parameters: JSONValue, contextLength: Int
  ) throws -> CalibrationRequest? {
    let configuration = try configuration(parameters)
    guard configuration.pattern == .search, configuration.heads == nil else { return nil }
    // A budget may not have met its prompt yet, so it is read as a spec states it.
    let density = parameters["budget"]?["density"]?.doubleValue
    return CalibrationRequest(
      corpus: configuration.calibrationCorpus,
      tokens: try CalibrationRequest.tokens(
        configuration.calibrationLength, default: 4096, contextLength: contextLength),
      options: try JSONValue(
        encoding: MInferenceCalibrator.Options(
          verticals: configuration.verticals, slashes: configuration.slashes,
          topBlocks: configuration.topBlocks, blockSize: configuration.blockSize,
          lastQueries: configuration.lastQueries,
          scale: density == nil ? configuration.scale : nil, density: density)))
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    let options = try request.options.decode(as: MInferenceCalibrator.Options.self)
    return CalibratingAttention(
      MInferenceCalibrator(options, for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    guard let found = try? evidence.decode(as: MInferenceEvidence.self), found.isConsistent else {
      throw CalibrationError.damagedEvidence(strategy: strategy)
    }
    return parameters.setting(
      "heads", to: .array(found.entries.map { .integer($0.choice) }))
  }

  public func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue {
    let configuration = try configuration(parameters)
    guard configuration.pattern == .search, configuration.heads == nil else { return parameters }
    return parameters.setting(
      "heads",
      to: .array(Array(repeating: .integer(-1), count: shape.layers * shape.queryHeads)))
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? { nil }

  /// The parameters but the budget as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> MInference.Configuration {
    var configuration = try StrategyEntry<MInference>().configuration(
      parameters.setting("budget", to: .null))
    try configuration.checkSizes()
    return configuration
  }
}
