import JSON

/// Ratios that a bench must not fall short of: the guard against slowing down. Ratios, not times,
/// so that they hold on other machines of the same kind.
///
/// The file: `{"schemaVersion": 1, "ratios": {"prefill-512": {"llama.cpp F16": 1.2}, …}}`. A number
/// is the least ratio to that reference where more is better, and the greatest where less is.
public struct RatioThresholds: Sendable, Hashable {
  /// By row and reference.
  public var ratios: [BenchRowName: [String: Double]]

  public init(ratios: [BenchRowName: [String: Double]]) { self.ratios = ratios }

  /// Reads a file's text; throws what is wrong with it.
  public init(parsing text: String, file: String) throws(ThresholdError) {
    func fail(_ problem: String) -> ThresholdError { ThresholdError(file: file, problem: problem) }
    let document: JSONValue
    do { document = try JSONValue(parsing: text) } catch { throw fail("\(error)") }
    let known: Set<String> = ["schemaVersion", "comment", "ratios"]
    guard let members = document.objectValue else {
      throw fail("is \(document.kindName), where an object is needed")
    }
    if let stranger = members.keys.sorted().first(where: { !known.contains($0) }) {
      throw fail("\"\(stranger)\" is no key; allowed: schemaVersion, comment, ratios")
    }
    guard members["schemaVersion"]?.integerValue == 1 else {
      throw fail(
        "$.schemaVersion: \"\(members["schemaVersion"]?.canonicalText ?? "nothing")\"; allowed is 1"
      )
    }
    guard let rows = members["ratios"]?.objectValue else {
      throw fail("$.ratios: an object of rows is needed")
    }
    ratios = [:]
    for (key, value) in rows.sorted(by: { $0.key < $1.key }) {
      guard let name = BenchRowName(rawValue: key) else {
        throw fail("$.ratios: \"\(key)\" is no row of the bench")
      }
      guard let references = value.objectValue else {
        throw fail("$.ratios.\(key): an object of references and ratios is needed")
      }
      for (reference, bound) in references {
        guard let number = bound.doubleValue, number > 0, number.isFinite else {
          throw fail(
            "$.ratios.\(key).\(reference): \"\(bound.canonicalText)\"; allowed is a number above 0")
        }
        ratios[name, default: [:]][reference] = number
      }
    }
  }

  /// What a run has against them.
  public func check(_ rows: [BenchRow]) -> Outcome {
    var outcome = Outcome()
    for name in BenchRowName.allCases {
      for (reference, bound) in (ratios[name] ?? [:]).sorted(by: { $0.key < $1.key }) {
        guard let row = rows.first(where: { $0.name == name }),
          let found = row.references.first(where: { $0.name == reference }),
          let ratio = row.ratio(to: found)
        else {
          outcome.unmeasured.append("\(name.rawValue) to \(reference)")
          continue
        }
        outcome.checked += 1
        let holds = name.better == .higher ? ratio >= bound : ratio <= bound
        if !holds {
          outcome.fallen.append(
            "\(name.rawValue): the ratio to \(reference) is \(BenchTable.ratio(ratio)); \(name.better == .higher ? "at least" : "at most") \(BenchTable.ratio(bound)) is asked for"
          )
        }
      }
    }
    return outcome
  }

  public struct Outcome: Sendable, Hashable {
    public var checked = 0
    /// One sentence for each ratio that does not hold.
    public var fallen: [String] = []
    /// Ratios that this run did not measure.
    public var unmeasured: [String] = []

    public init() {}
  }
}

/// What is wrong with a file of thresholds.
public struct ThresholdError: Error, Hashable, CustomStringConvertible {
  public let file: String
  public let problem: String

  public var description: String { "\(file): \(problem)" }
}
