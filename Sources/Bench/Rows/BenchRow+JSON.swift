import JSON

extension BenchRow {
  /// The row as `bench --json` prints it. `reference`, `ratio` and `target` are those of the
  /// deciding reference; `references` holds all.
  public func jsonValue(_ provenance: JSONValue) -> JSONValue {
    let deciding = decidingReference
    var members: [String: JSONValue] = [
      "name": .string(name.rawValue),
      "what": .string(name.summary),
      "value": Self.number(value),
      "unit": .string(name.unit),
      "better": .string(name.better.rawValue),
      "reference": Self.number(deciding?.value),
      "referenceName": deciding.map { .string($0.name) } ?? .null,
      "ratio": Self.number(deciding.flatMap(ratio)),
      "target": Self.number(deciding?.target),
      "verdict": .string(verdict.rawValue),
      "spread": Self.number(spread),
      "samples": .integer(samples),
      "references": .array(references.map(json)),
      "notes": .array(notes.map(JSONValue.string)),
      "provenance": provenance,
    ]
    members["details"] = .object(details.mapValues { Self.number($0) })
    return .object(members)
  }

  private func json(_ reference: BenchReference) -> JSONValue {
    .object([
      "name": .string(reference.name),
      "value": Self.number(reference.value),
      "ratio": Self.number(ratio(to: reference)),
      "target": Self.number(reference.target),
      "reached": margin(to: reference).map { .boolean($0 >= 1) } ?? .null,
      "spread": Self.number(reference.spread),
      "problem": reference.problem.map(JSONValue.string) ?? .null,
    ])
  }

  private static func number(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite else { return .null }
    return .number(value)
  }
}
