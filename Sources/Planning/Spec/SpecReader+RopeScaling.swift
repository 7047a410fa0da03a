import JSON
import Records
import Tensors

/// The key `ropeScaling` of a model.
extension SpecReader {
  private static let types = RotaryScaling.Kind.allCases.map(\.rawValue)

  mutating func readRopeScaling(_ value: JSONValue, at path: JSONPath) -> RotaryScaling? {
    let problemCount = problems.count
    guard let members = object(value, at: path, what: "{\"type\": …, \"factor\": …}") else {
      return nil
    }
    let allowed = Self.types.joined(separator: ", ")
    guard let word = required("type", of: members, at: path, allowed: allowed) else { return nil }
    guard let type = word.stringValue.flatMap(RotaryScaling.Kind.init) else {
      report(
        path.appending("type"), word, "is no kind of rotary scaling", allowed: allowed,
        among: Self.types)
      return nil
    }
    let parameters = RotaryScaling.parameters(of: type)
    refuseUnknownKeys(
      of: members, at: path, known: ["type"] + parameters.map(\.name),
      owner: "ropeScaling of type \(type.rawValue)")
    var values: [String: JSONValue] = ["type": .string(type.rawValue)]
    for parameter in parameters {
      let allowed = parameter.kind.allowedText
      let given =
        parameter.isRequired
        ? required(parameter.name, of: members, at: path, allowed: allowed)
        : members[parameter.name]
      if let given, let complaint = parameter.kind.complaint(about: given) {
        report(path.appending(parameter.name), given, complaint, allowed: allowed)
      }
      values[parameter.name] = given ?? parameter.defaultValue
    }
    guard problems.count == problemCount,
      let scaling: RotaryScaling = try? JSONValue.object(values).decode()
    else { return nil }
    if let allowed = scaling.contradiction {
      report(path, value, "contradicts itself", allowed: allowed)
      return nil
    }
    return scaling
  }
}

extension RotaryScaling {
  /// The keys of `ropeScaling` beside `type`.
  static func parameters(of type: Kind) -> [ParameterDescription] {
    let turns = ParameterKind.number(minimum: 0.001, maximum: 1_000_000)
    let common = [
      ParameterDescription(
        "factor", .number(minimum: 1, maximum: largestFactor), default: .null,
        "how many times longer texts may be than the original context length", isRequired: true),
      ParameterDescription(
        "originalContextLength", .integer(minimum: 1, maximum: 1 << 24), default: .null,
        "tokens that the model was made for; by default those that its file states"),
    ]
    switch type {
    case .linear, .ntk, .dynamicNTK: return common
    case .yarn:
      return common + [
        ParameterDescription(
          "attentionFactor", .number(minimum: 0.001, maximum: 1000), default: .null,
          "what rotated queries and keys are multiplied with; by default 0.1 ln factor + 1"),
        ParameterDescription(
          "betaFast", turns, default: .integer(32),
          "pairs that turn more often within the original length keep their frequency"),
        ParameterDescription(
          "betaSlow", turns, default: .integer(1),
          "pairs that turn less often within the original length have it divided by factor"),
      ]
    case .llama3:
      return common + [
        ParameterDescription(
          "lowFrequencyFactor", turns, default: .integer(1),
          "pairs that turn less often within the original length have their frequency divided by factor"
        ),
        ParameterDescription(
          "highFrequencyFactor", turns, default: .integer(4),
          "pairs that turn more often within the original length keep their frequency"),
      ]
    }
  }

  /// SHA-256 of a model under this scaling: what the file's is for the model as it is.
  public func digest(ofFile digest: String) -> String {
    // Plain numbers always encode.
    let content = (try? JSONValue(encoding: self)) ?? .null
    return CellIdentity.of(["file": .string(digest), "ropeScaling": content])
  }
}
