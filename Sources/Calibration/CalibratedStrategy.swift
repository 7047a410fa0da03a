import Attention
import JSON
import Records
import Tensors

/// A strategy that has an offline phase: what it needs, and how its findings become parameters.
public protocol CalibratedStrategy: AttentionStrategy {
  associatedtype Watcher: Calibrator

  /// The text of the offline phase that these parameters ask for; nil where they hold its result already.
  var calibrationText: CalibrationText? { get }

  /// The parameters that decide the evidence.
  var calibrationOptions: Watcher.Options { get }

  /// Takes the result of the offline phase into the parameters.
  ///
  /// - Returns: what a user should know of the choice, in one line; nil if there is nothing to say.
  mutating func adopt(_ evidence: Watcher.Evidence) -> String?

  /// Puts something in place of that result: what can be checked before the offline phase.
  mutating func assumeCalibrated(for shape: AttentionShape)
}

/// The text of an offline phase.
public struct CalibrationText: Hashable, Sendable {
  /// A shipped corpus by name, or a path.
  public var corpus: String
  /// The tokens asked for; nil where the default counts.
  public var length: Int?
  /// Tokens where nothing is said, at most the model's context.
  public var defaultLength: Int

  /// Half of the queries or more are to lie beyond a window of so many tokens: max(2048, 2 · window).
  static func length(toLeave window: Int) -> Int {
    // Compared before it is doubled: a window may be any number.
    window < .max / 2 ? max(2048, 2 * window) : .max
  }
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
}

extension CalibratedStrategy {
  /// The offline phase that the parameters ask for; nil where they hold its result already.
  ///
  /// - Parameters:
  ///   - contextLength: the most tokens that the model takes.
  ///   - length: tokens of the text, whatever the parameters say.
  /// - Throws: `ConfigurationError` where more tokens are asked for than the model takes.
  public func calibrationRequest(
    contextLength: Int, length: Int? = nil
  ) throws -> CalibrationRequest? {
    guard let text = calibrationText else { return nil }
    let tokens = length ?? text.length ?? min(text.defaultLength, contextLength)
    guard tokens <= contextLength else {
      throw ConfigurationError(
        "calibrationLength",
        "\(tokens) tokens are more than the model takes; use at most \(contextLength)")
    }
    return CalibrationRequest(
      corpus: text.corpus, tokens: tokens, options: try JSONValue(encoding: calibrationOptions))
  }

  /// Attention for one dense prefill of the text.
  public func makePass(shape: AttentionShape, workspace: Workspace) -> any CalibrationPass {
    CalibratingAttention(
      Watcher(calibrationOptions, for: shape.global), shape: shape, workspace: workspace)
  }

  /// The same strategy with the result of the offline phase, and what a user should know of it.
  ///
  /// - Throws: `CalibrationError` for evidence that is not this strategy's, or damaged.
  public func calibrated(by evidence: JSONValue) throws -> (strategy: Self, remark: String?) {
    guard let found = try? evidence.decode(as: Watcher.Evidence.self), found.isConsistent else {
      throw CalibrationError.damagedEvidence(strategy: Self.about.name)
    }
    var calibrated = self
    let remark = calibrated.adopt(found)
    return (calibrated, remark)
  }
}

extension ConfiguredStrategy {
  /// The strategy's offline phase; nil where it needs none, as with a budget that takes the place of its result.
  public var offlinePhase: (any CalibratedStrategy)? {
    var sized = strategy
    if budget != nil, var budgeted = strategy as? any Budgeted {
      budgeted.budget = .everything
      sized = budgeted
    }
    guard let calibrated = sized as? any CalibratedStrategy, calibrated.calibrationText != nil
    else { return nil }
    return calibrated
  }

  /// The strategy and its parts with the results of their offline phases.
  ///
  /// - Parameters:
  ///   - sized: the same strategy with a budget for a prompt, since a density decides what MInference searches for.
  ///   - calibrationLength: tokens of the text, whatever the parameters say.
  ///   - evidence: gives the evidence of an offline phase, stored or found anew.
  ///   - remark: told what a user should know of a choice.
  public func calibrated(
    sized: any AttentionStrategy, calibrationLength: Int? = nil, contextLength: Int,
    evidence: (any CalibratedStrategy, CalibrationRequest) throws -> JSONValue,
    remark: (String) -> Void = { _ in }
  ) throws -> ConfiguredStrategy {
    var result = self
    if var composed = strategy as? any HasParts, let sized = sized as? any HasParts {
      for index in composed.parts.indices {
        composed.parts[index].configured = try composed.parts[index].configured.calibrated(
          sized: sized.parts[index].strategy, calibrationLength: calibrationLength,
          contextLength: contextLength, evidence: evidence, remark: remark)
      }
      result.strategy = composed
      return result
    }
    guard let sized = sized as? any CalibratedStrategy,
      let own = strategy as? any CalibratedStrategy,
      let request = try sized.calibrationRequest(
        contextLength: contextLength, length: calibrationLength)
    else { return self }
    let (calibrated, text) = try own.calibrated(by: evidence(sized, request))
    if let text { remark(text) }
    result.strategy = calibrated
    return result
  }

  /// The strategy and its parts with something in place of what calibration will choose.
  ///
  /// - Throws: `ConfigurationError` where an offline phase is longer than the model's context.
  public func assumingCalibrated(
    for shape: AttentionShape, contextLength: Int
  ) throws -> ConfiguredStrategy {
    var result = self
    if var composed = strategy as? any HasParts {
      for index in composed.parts.indices {
        let part = composed.parts[index]
        do {
          composed.parts[index].configured = try part.configured.assumingCalibrated(
            for: shape, contextLength: contextLength)
        } catch let error as ConfigurationError {
          throw ConfigurationError("\(part.phase.rawValue).\(error.parameter)", error.message)
        }
      }
      result.strategy = composed
    }
    let sized = forPrompt(of: contextLength, shape: shape)
    if let calibrated = sized as? any CalibratedStrategy,
      try calibrated.calibrationRequest(contextLength: contextLength) != nil,
      var own = strategy as? any CalibratedStrategy
    {
      own.assumeCalibrated(for: shape.global)
      result.strategy = own
    }
    return result
  }
}

/// Attention of a calibration prefill, and what it found out.
public protocol CalibrationPass: LayerAttention {
  func evidence() throws -> JSONValue
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
