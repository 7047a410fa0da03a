import JSON

/// A spec without a fault, with what was found out while checking it.
public struct CheckedSpec: Sendable, Hashable {
  public var spec: ExperimentSpec
  /// The models that could be read, in the order of the spec.
  public var models: [ModelFacts]
  /// The SHA-256 of every text that the spec names, by the word that names it.
  public var textDigests: [String: String]

  /// Models that have not been pulled or are damaged: no cell is planned for them.
  public var missingModels: [ModelReference] {
    spec.models.filter { reference in !models.contains { $0.name == reference.name } }
  }

  /// Reads and checks the bytes of a spec file.
  ///
  /// - Parameter source: the file's name, for messages.
  /// - Throws: all problems at once.
  public init(
    reading bytes: [UInt8], source: String, in environment: SpecEnvironment
  ) throws(SpecError) {
    let document: JSONDocument
    do {
      document = try JSONDocument(parsing: bytes)
    } catch {
      let problem = SpecProblem(
        path: error.path, position: error.position, message: error.message)
      throw SpecError(source: source, problems: [problem])
    }
    var reader = SpecReader(document, environment)
    guard let checked = reader.read(), reader.problems.isEmpty else {
      throw SpecError(source: source, problems: reader.sortedProblems)
    }
    self = checked
  }

  init(spec: ExperimentSpec, models: [ModelFacts], textDigests: [String: String]) {
    self.spec = spec
    self.models = models
    self.textDigests = textDigests
  }
}
