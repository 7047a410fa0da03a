import Digests
import JSON
import Records
import Tasks
import Tensors

/// What tells one cell from another: the SHA-256 of the canonical JSON of all that decides its results.
///
/// Inside: the model's digest, context length, strategy and task with every parameter (texts as their digests), budget,
/// seed and ``NumericsVersion``; a matched budget holds the identity of its reference; where the dense pass that divergences
/// and errors are measured against holds its cache in fewer than 16 bits, that format. Outside: names of experiments,
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
        var text: [String: JSONValue] = ["sha256": .string(digest)]
        // A task that does not say what becomes of lines goes by the text's name.
        if values["joinLines"] == nil, !Corpus.joinsLines(named: word) {
          text["joinLines"] = .boolean(false)
        }
        result[name] = .object(text)
      }
    }
    return .object(result)
  }

  /// The canonical JSON of a strategy or task; made once, as it is the same in many cells.
  ///
  /// - Parameter parameters: as ``parameters(_:textParameters:textDigests:)`` gives them.
  static func text(name: String, _ parameters: JSONValue) -> String {
    JSONValue.object(["name": .string(name), "parameters": parameters]).canonicalText
  }

  /// The SHA-256 of the canonical JSON of a cell.
  ///
  /// - Parameters:
  ///   - strategy, task: as ``text(name:_:)`` gives them.
  ///   - budget: as the spec states it; `matching` replaced by the identity of the reference.
  ///   - referenceCache: that of the dense pass. Its 16 bits go without saying, and its 32, between which figures do not tell.
  static func of(
    modelDigest: String, contextLength: Int, strategy: String, budget: JSONValue?,
    referenceCache: CacheFormat?, task: String, seed: Int
  ) -> String {
    let reference =
      referenceCache == nil || referenceCache == .f16 || referenceCache == .f32
      ? nil : referenceCache?.jsonValue.canonicalText
    // The keys in the order of their bytes, as canonical JSON has them.
    return SHA256Digest.of(
      "{" + (budget.map { "\"budget\":\($0.canonicalText)," } ?? "")
        + "\"contextLength\":\(contextLength),\"model\":\(JSONValue.string(modelDigest).canonicalText)"
        + ",\"numericsVersion\":\(NumericsVersion.current)"
        + (reference.map { ",\"referenceCache\":\($0)" } ?? "") + ",\"seed\":\(seed)"
        + ",\"strategy\":\(strategy),\"task\":\(task)}")
  }

  static func of(_ content: JSONValue) -> String { SHA256Digest.of(content.canonicalText) }
}
