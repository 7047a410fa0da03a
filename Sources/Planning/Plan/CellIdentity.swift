import Digests
import JSON
import Records

/// What tells one cell from another: the SHA-256 of the canonical JSON of all that decides its results.
///
/// Inside: the model's digest, context length, strategy and task with every parameter (texts as their digests), budget,
/// seed and ``NumericsVersion``; a matched budget holds the identity of its reference. Outside: names of experiments,
/// models and files, metrics, repeats, threads, the machine, and parameters that change timings only.
public enum CellIdentity {
  /// Parameters that change timings but no result.
  public static let timingParameters = [ParameterDescription.decodeTokens.name]

  /// Parameters as they enter an identity: defaults filled in, timing parameters left out, texts as their digests.
  ///
  /// - Parameter textPaths: as in ``TaskDescription/textPaths``.
  public static func parameters(
    _ values: [String: JSONValue], textParameters: [String], textPaths: [String: String] = [:],
    textDigests: [String: String]
  ) -> JSONValue {
    var result = values
    for name in timingParameters { result[name] = nil }
    for (name, value) in values {
      // A part is a strategy of its own.
      guard let part = value.objectValue, part["name"]?.stringValue != nil else { continue }
      result[name] = parameters(part, textParameters: textParameters, textDigests: textDigests)
    }
    for name in textParameters {
      if let word = TaskDescription.textWord(of: name, in: values, paths: textPaths),
        let digest = textDigests[word]
      {
        result[name] = .object(["sha256": .string(digest)])
      }
    }
    return .object(result)
  }

  /// The JSON that is hashed.
  ///
  /// - Parameters:
  ///   - strategyParameters: as ``parameters(_:textParameters:textDigests:)`` gives them, `taskParameters` too.
  ///   - budget: as the spec states it; `matching` replaced by the identity of the reference.
  static func content(
    modelDigest: String, contextLength: Int, strategy: String, strategyParameters: JSONValue,
    budget: JSONValue?, task: String, taskParameters: JSONValue, seed: Int
  ) -> JSONValue {
    var content: [String: JSONValue] = [
      "numericsVersion": .integer(NumericsVersion.current),
      "model": .string(modelDigest),
      "contextLength": .integer(contextLength),
      "strategy": ["name": .string(strategy), "parameters": strategyParameters],
      "task": ["name": .string(task), "parameters": taskParameters],
      "seed": .integer(seed),
    ]
    content["budget"] = budget
    return .object(content)
  }

  static func of(_ content: JSONValue) -> String { SHA256Digest.of(content.canonicalText) }
}
