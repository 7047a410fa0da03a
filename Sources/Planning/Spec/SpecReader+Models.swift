import JSON
import Records

/// The models of a spec.
extension SpecReader {
  private static let allowedModel =
    "a name of the catalogue, {\"name\": …, \"path\": …} for a file, either with ropeScaling, or {\"name\": …, \"synthetic\": …} for attention inputs without a model"

  /// References that are right in themselves, with their places.
  mutating func readModels(
    _ members: [String: JSONValue]
  ) -> [(reference: ModelReference, path: JSONPath)] {
    let allowed = "a list of models, each \(Self.allowedModel)"
    guard let value = required("models", of: members, allowed: allowed) else { return [] }
    let path = JSONPath.root.appending("models")
    guard let elements = list(value, at: path, allowed: allowed) else { return [] }
    var models: [(reference: ModelReference, path: JSONPath)] = []
    for (index, element) in elements.enumerated() {
      // Of the same entry once more that has been said.
      if elements[..<index].contains(element) { continue }
      let place = path.appending(index)
      guard let reference = readModel(element, at: place) else { continue }
      if models.contains(where: { $0.reference.name == reference.name }) {
        report(
          place, .string(reference.name), "names a second model so; give each a name of its own")
      } else {
        models.append((reference, place))
      }
    }
    return models
  }

  private mutating func readModel(_ value: JSONValue, at path: JSONPath) -> ModelReference? {
    if let name = value.stringValue { return catalogueModel(name, at: path) }
    guard let members = object(value, at: path, what: Self.allowedModel) else { return nil }
    refuseUnknownKeys(
      of: members, at: path,
      known: ["name", "path", "ropeScaling", "synthetic", "contextLengths"], owner: "a model")
    let contextLengths = readOwnContextLengths(members, at: path)
    guard
      let nameValue = required("name", of: members, at: path, allowed: "a name of your choice")
    else { return nil }
    guard let name = nameValue.stringValue, 1...100 ~= name.count,
      name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      report(
        path.appending("name"), nameValue, "cannot name a model",
        allowed: "a text of 1 to 100 characters")
      return nil
    }
    if let value = members["synthetic"] {
      for other in ["path", "ropeScaling"] {
        if let otherValue = members[other] {
          report(
            path.appending(other), otherValue, "stands beside synthetic; give one of the two")
        }
      }
      return readSynthetic(value, at: path.appending("synthetic")).map {
        ModelReference(name: name, synthetic: $0, contextLengths: contextLengths)
      }
    }
    var reference =
      members["path"].map { readPath($0, at: path.appending("path"), name: name) }
      ?? catalogueModel(name, at: path.appending("name"))
    if let value = members["ropeScaling"] {
      guard let scaling = readRopeScaling(value, at: path.appending("ropeScaling")) else {
        return nil
      }
      reference?.ropeScaling = scaling
    }
    reference?.contextLengths = contextLengths
    return reference
  }

  /// A file, or a name of the catalogue where no file lies.
  private mutating func readPath(
    _ value: JSONValue, at path: JSONPath, name: String
  ) -> ModelReference? {
    var problem = "is \(value.kindName)"
    if let word = value.stringValue {
      do {
        let resolved = try environment.resolve(word)
        switch environment.target(resolved) {
        case .file: return ModelReference(name: name, path: resolved)
        case .hidden(let reason): problem = "cannot be read: \(reason)"
        case .folder, .nothing:
          problem = resolved == word ? "is no file" : "is no file: looked for \(resolved)"
        }
      } catch {
        problem = error.problem
      }
      if environment.catalogueModels.contains(word) {
        return ModelReference(name: name, catalogueName: word)
      }
    }
    report(
      path, value, problem,
      allowed: "the path of a GGUF file, relative to the spec file, or a name of the catalogue")
    return nil
  }

  private mutating func catalogueModel(_ name: String, at path: JSONPath) -> ModelReference? {
    if environment.catalogueModels.contains(name) { return ModelReference(name: name) }
    report(
      path, .string(name), "is no model of the catalogue",
      allowed: environment.catalogueModels.joined(separator: ", ")
        + ", or {\"name\": …, \"path\": …} for a file",
      among: environment.catalogueModels)
    return nil
  }

  /// What is known of the models that can be read; the same file under two names is refused.
  mutating func readFacts(
    of models: [(reference: ModelReference, path: JSONPath)]
  ) -> [ModelFacts] {
    var known: [ModelFacts] = []
    for model in models {
      let synthetic = model.reference.synthetic.map {
        ModelFacts(name: model.reference.name, synthetic: $0)
      }
      guard let facts = synthetic ?? environment.modelFacts(model.reference) else { continue }
      if let same = known.first(where: { $0.digest == facts.digest }) {
        report(
          model.path, .string(model.reference.name),
          "is the same \(synthetic == nil ? "file" : "geometry and pattern") as \"\(same.name)\"; keep one"
        )
      } else {
        known.append(facts)
      }
    }
    return known
  }
}
