import Attention
import JSON
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
    let tokens = try CalibrationRequest.tokens(
      configuration.calibrationLength,
      default: Self.defaultLength(configuration, contextLength: contextLength),
      contextLength: contextLength)
    return CalibrationRequest(
      corpus: configuration.calibrationCorpus, tokens: tokens,
      options: try JSONValue(encoding: TCACalibrator.Options(configuration)))
  }

  /// min(context, max(2048, 2·(localWindow + blockSize))): half of the queries or more have an evictable region.
  private static func defaultLength(
    _ configuration: TCA.Configuration, contextLength: Int
  ) -> Int {
    // Compared before it is added up: the window may be any number.
    guard max(configuration.localWindow, configuration.blockSize) < contextLength else {
      return contextLength
    }
    return min(
      contextLength, max(2048, 2 * (configuration.localWindow + configuration.blockSize)))
  }

  public func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass {
    let options = try request.options.decode(as: TCACalibrator.Options.self)
    return CalibratingAttention(
      TCACalibrator(options, for: shape), shape: shape, workspace: workspace)
  }

  public func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue {
    let heads = try choice(parameters, evidence).heads
    return parameters.setting("heads", to: .array(heads.map(JSONValue.integer)))
  }

  public func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue {
    guard try configuration(parameters).heads == nil else { return parameters }
    return parameters.setting(
      "heads",
      to: .array(Array(repeating: .integer(-1), count: shape.layers * shape.queryHeads)))
  }

  public func remark(parameters: JSONValue, evidence: JSONValue) throws -> String? {
    let (heads, configuration, tokens) = try choice(parameters, evidence)
    let dense = heads.count { $0 == TCACandidate.keepEverything }
    guard dense > 0 else { return nil }
    let hidden = configuration.localWindow + configuration.blockSize
    if tokens <= hidden {
      return
        "tca keeps everything: none of the \(tokens) calibration tokens leaves the local window of \(configuration.localWindow); calibrate on more than \(hidden) or use a smaller localWindow"
    }
    return
      "tca: \(dense) of \(heads.count) query heads keep everything, since none of their candidates reaches \(configuration.criterion.rawValue) \(configuration.threshold)"
  }

  private func choice(
    _ parameters: JSONValue, _ evidence: JSONValue
  ) throws -> (heads: [Int], configuration: TCA.Configuration, tokens: Int) {
    let configuration = try configuration(parameters)
    guard let found = try? evidence.decode(as: TCAEvidence.self), found.isConsistent else {
      throw CalibrationError.damagedEvidence(strategy: strategy)
    }
    let heads = found.choose(
      threshold: configuration.threshold, criterion: configuration.criterion)
    return (heads, configuration, found.tokens)
  }

  /// The parameters as a configuration, checked as far as no shape is needed.
  private func configuration(_ parameters: JSONValue) throws -> TCA.Configuration {
    let configuration = try StrategyEntry<TCA>().configuration(parameters)
    try TCA.checkSizes(configuration)
    return configuration
  }
}
