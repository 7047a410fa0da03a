import Attention
import JSON
import Tensors

/// A strategy that has an offline phase: what it needs, and how its findings become parameters.
public protocol CalibratedStrategy: Sendable {
  var strategy: String { get }

  /// The offline phase that these parameters ask for; nil where they hold its result already.
  ///
  /// - Parameters:
  ///   - parameters: as a spec gives them, defaults filled in or not.
  ///   - contextLength: the most tokens that the model takes.
  /// - Throws: `ConfigurationError` for parameters that do not fit together.
  func request(parameters: JSONValue, contextLength: Int) throws -> CalibrationRequest?

  /// Attention for one dense prefill of the text.
  func makePass(
    _ request: CalibrationRequest, shape: AttentionShape, workspace: Workspace
  ) throws -> any CalibrationPass

  /// The parameters with the result of the offline phase in them.
  ///
  /// - Throws: `CalibrationError` for evidence that is not this strategy's, or damaged.
  func resolve(parameters: JSONValue, evidence: JSONValue) throws -> JSONValue

  /// The parameters with something in place of that result: what can be checked of them before the offline phase.
  func provisional(parameters: JSONValue, shape: AttentionShape) throws -> JSONValue

  /// What a user should know of the choice, in one line; nil if there is nothing to say.
  func remark(parameters: JSONValue, evidence: JSONValue) throws -> String?
}

/// One offline phase: a text, its length, and the options that decide the evidence.
public struct CalibrationRequest: Hashable, Sendable {
  /// A shipped corpus by name, or a path.
  public var corpus: String
  public var tokens: Int
  public var options: JSONValue

  public init(corpus: String, tokens: Int, options: JSONValue) {
    self.corpus = corpus
    self.tokens = tokens
    self.options = options
  }

  /// The tokens asked for, or the default, at most the model's context.
  ///
  /// - Throws: `ConfigurationError` where more are asked for than the model takes.
  static func tokens(
    _ length: Int?, default standard: Int, contextLength: Int
  ) throws(ConfigurationError) -> Int {
    let tokens = length ?? min(standard, contextLength)
    guard tokens <= contextLength else {
      throw ConfigurationError(
        "calibrationLength",
        "\(tokens) tokens are more than the model takes; use at most \(contextLength)")
    }
    return tokens
  }
}

extension JSONValue {
  /// An object with one member set; with null, one that has no value there.
  func setting(_ key: String, to value: JSONValue) -> JSONValue {
    .object((objectValue ?? [:]).merging([key: value]) { $1 })
  }
}

/// Attention of a calibration prefill, and what it found out.
public protocol CalibrationPass: LayerAttention {
  func evidence() throws -> JSONValue
}

/// The strategies that are calibrated.
public struct CalibrationRegistry: Sendable {
  public let entries: [any CalibratedStrategy]

  public static let builtIn = CalibrationRegistry(entries: [
    TCACalibration(), TCAPlusCalibration(), MInferenceCalibration(), XAttentionCalibration(),
    DuoAttentionCalibration(),
  ])

  public func entry(for strategy: String) -> (any CalibratedStrategy)? {
    entries.first { $0.strategy == strategy }
  }
}

/// Why evidence cannot be used.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
  case damagedEvidence(strategy: String)

  public var description: String {
    switch self {
    case .damagedEvidence(let strategy):
      "the stored calibration of \"\(strategy)\" is damaged or of another version; run again with --fresh, or calibrate anew"
    }
  }
}
