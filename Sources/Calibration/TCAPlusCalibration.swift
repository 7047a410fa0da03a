import Attention
import JSON
import Tensors

/// How a spec's `tca-plus` is calibrated: one pass a model, text, length, window and importance, for all thresholds.
public struct TCAPlusCalibration: CalibratedStrategy {
  public init() {}

  public var strategy: String { TCAPlus.description.name }

  public func request(
    parameters: JSONValue, contextLength: Int
  ) throws -> CalibrationRequest? {
    let configuration = try configuration(parameters)
    guard configuration.heads == nil else { return nil }
    let tokens =
      configuration.calibrationLength
      ?? Self.defaultLength(configuration, contextLength: contextLength)
    guard tokens <= contextLength else {
      throw ConfigurationError(
        "calibrationLength",
        "\(tokens) tokens are more than the model takes; use at most \(contextLength)")
    }
    return CalibrationRequest(
      corpus: configuration.calibrationCorpus, tokens: tokens,
      options: try JSONValue(encoding: TCAPlusCalibrator.Options(configuration)))
  }

  /// min(context, max(2048, 2·(localWindow + 32))): half of the queries or more have an evictable region.
  private static func defaultLength(
    _ configuration: TCAPlus.Configuration, contextLength: Int
  ) -> Int {
    // Compared before it is added up: the window may be any number.
    guard configuration.localWindow < contextLength else { return contextLength }
    return min(
      contextLength, max(2048, 2 * (configuration.localWindow + ColdTier.pageTokens)))
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    let options = try request.options.decode(as: TCAPlusCalibrator.Options.self)
    return CalibratingAttention(
      TCAPlusCalibrator(options, for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    let heads = try choice(parameters, evidence).heads
    var members = parameters.objectValue ?? [:]
    members["heads"] = .array(heads.map(JSONValue.integer))
    return .object(members)
  }

  public func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue {
    guard try configuration(parameters).heads == nil else { return parameters }
    return parameters.setting(
      "heads",
      to: .array(Array(repeating: .integer(-1), count: shape.layers * shape.queryHeads)))
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? {
    let (heads, configuration, tokens) = try choice(parameters, evidence)
    let dense = heads.count { $0 < 0 }
    guard dense > 0 else { return nil }
    if tokens <= configuration.localWindow + ColdTier.pageTokens {
      return
        "tca-plus keeps everything: none of the \(tokens) calibration tokens leaves the local window of \(configuration.localWindow); calibrate on more than \(configuration.localWindow + ColdTier.pageTokens) or use a smaller localWindow"
    }
    return
      "tca-plus: \(dense) of \(heads.count) query heads keep everything, since with no share nine queries in ten keep \(configuration.threshold) of their attention"
  }

  private func choice(
    _ parameters: JSONValue, _ evidence: JSONValue
  ) throws -> (heads: [Int], configuration: TCAPlus.Configuration, tokens: Int) {
    let configuration = try configuration(parameters)
    guard let found = try? evidence.decode(as: TCAPlusEvidence.self), found.isConsistent else {
      throw CalibrationError.damagedEvidence(strategy: strategy)
    }
    return (found.choose(threshold: configuration.threshold), configuration, found.tokens)
  }

  /// The parameters as a configuration, checked as far as no shape is needed. Without the budget, which says nothing
  /// of the offline phase and may still be in the words of a spec.
  private func configuration(_ parameters: JSONValue) throws -> TCAPlus.Configuration {
    let members = (parameters.objectValue ?? [:]).filter { $0.key != "budget" }
    let configuration = try StrategyEntry<TCAPlus>().configuration(.object(members))
    try TCAPlus.checkSizes(configuration)
    return configuration
  }
}
