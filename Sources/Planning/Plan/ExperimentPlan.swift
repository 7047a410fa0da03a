import Attention
import JSON
import Records
import Tasks

/// The cells of an experiment, in the order in which they are run and shown: by model, context length ascending, task,
/// strategy; `full` first, a matched cell after its reference.
///
/// A cell that several entries of a spec give is planned once.
public struct ExperimentPlan: Sendable {
  public let cells: [PlannedCell]
  /// The strategy of each cell, by the cell's identity: made here, once, and carried to its sessions.
  public let strategies: [String: ConfiguredStrategy]
  /// What is known of the models that could be read.
  public let models: [ModelFacts]
  /// SHA-256 of the texts that it is made with, by their words in the spec.
  public let textDigests: [String: String]

  /// Plans the models that could be read; see `CheckedSpec.missingModels`.
  public init(_ checked: CheckedSpec) {
    let spec = checked.spec
    let stated = StrategyVariant.all(of: spec.strategies)
    // By whether a task decodes.
    let variants = [true, false].map { areDecoded in
      stated.map { PlannedVariant($0.whereTokensAreDecoded(areDecoded)) }
    }
    let tasks = PlannedTask.all(of: spec.tasks)
    var cells: [PlannedCell] = []
    var planned: Set<String> = []
    var strategies: [String: ConfiguredStrategy] = [:]
    for model in checked.models {
      let digests = TextDigests(checked.textDigests, of: model)
      let strategyTexts = variants.map { $0.map { $0.identityText(digests) } }
      let reference = spec.models.first { $0.name == model.name }
      for contextLength in spec.contextLengths.sorted()
      where reference?.takes(contextLength) != false {
        for task in tasks where task.entry.takes(contextLength) {
          let place = CellPlace(
            model: model, contextLength: contextLength, task: task.entry.description,
            taskLabel: task.label,
            taskParameters: TaskRegistry.builtIn.canonical(
              task.parameters, of: task.entry.name, contextLength: contextLength),
            seed: spec.seed, textDigests: digests)
          let kind = task.decodesTokens ? 0 : 1
          for (cell, variant) in zip(
            place.cells(of: variants[kind], strategyTexts[kind]), variants[kind])
          where planned.insert(cell.cell.identity).inserted {
            strategies[cell.cell.identity] = variant.configured
            cells.append(cell)
          }
        }
      }
    }
    models = checked.models
    textDigests = checked.textDigests
    self.cells = cells
    self.strategies = strategies
  }
}

/// A task with one value for each parameter, and what to call it.
private struct PlannedTask {
  let entry: SpecTask
  let parameters: [String: JSONValue]
  /// The task's name and the parameters in which the experiment's tasks of that name differ; the protocol, which stands
  /// in a column of its own, is none of them.
  let label: String

  /// Whether anything is decoded after the prompt.
  var decodesTokens: Bool { parameters["protocol"]?.stringValue != "prefill" }

  static func all(of entries: [SpecTask]) -> [PlannedTask] {
    let points = entries.flatMap { entry in entry.grid.points.map { (entry, $0) } }
    let telling = Dictionary(grouping: points, by: \.0.name).mapValues { family in
      family[0].0.description.parameters.map(\.name).filter { name in
        name != "protocol" && !CellIdentity.timingParameters.contains(name)
          && Set(family.map { $0.1[name] ?? .null }).count > 1
      }
    }
    return points.map { entry, parameters in
      let words = (telling[entry.name] ?? []).map { name in
        let value = parameters[name] ?? .null
        return "\(name)=\(value.stringValue ?? value.canonicalText)"
      }
      return PlannedTask(
        entry: entry, parameters: parameters,
        label: ([entry.name] + words).joined(separator: " "))
    }
  }
}

/// A variant of a strategy with what is the same in all its cells.
private struct PlannedVariant {
  let variant: StrategyVariant
  /// Nil where nothing of its name is built in.
  let configured: ConfiguredStrategy?
  let described: StrategyDescription
  let parameters: JSONValue

  init(_ variant: StrategyVariant) {
    self.variant = variant
    configured = variant.configured
    described = configured?.description ?? variant.description
    var members = CacheAxis.identifying(variant.parameters)
    members["budget"] = variant.budget?.jsonValue
    parameters = .object(members)
  }

  /// What of an identity is the strategy's; nil where parts of it match another cell's use.
  func identityText(_ digests: TextDigests) -> String? {
    variant.partReferences.isEmpty ? identityText(variant.parameters, digests) : nil
  }

  /// - Parameter partReferences: the identities of the cells that the budgets of its parts match.
  func identityText(matching partReferences: [String: String], _ digests: TextDigests) -> String {
    var parameters = variant.parameters
    for (part, reference) in partReferences {
      guard let value = parameters[part], let budget = value["budget"].flatMap(StatedBudget.init)
      else { continue }
      parameters[part] = value.replacing("budget", by: Self.identified(budget, by: reference))
    }
    return identityText(parameters, digests)
  }

  private func identityText(_ parameters: [String: JSONValue], _ digests: TextDigests) -> String {
    CellIdentity.text(
      name: variant.description.name,
      CellIdentity.parameters(
        CacheAxis.identifying(parameters),
        textParameters: SpecEnvironment.strategyTextParameters,
        textDigests: digests.ofStrategies))
  }

  /// A budget with the identity of the cell that it matches in place of a name.
  static func identified(_ budget: StatedBudget, by reference: String?) -> JSONValue {
    guard let reference, case .matching(_, let use) = budget else { return budget.jsonValue }
    return StatedBudget.matching(reference, of: use).jsonValue
  }
}

/// Digests of texts by the words that name them, for tasks and for calibrations.
private struct TextDigests {
  let ofTasks: [String: String]
  let ofStrategies: [String: String]

  /// A synthetic model is calibrated on its own inputs, whatever text a strategy names.
  init(_ digests: [String: String], of model: ModelFacts) {
    ofTasks = digests
    ofStrategies = model.synthetic == nil ? digests : digests.mapValues { _ in model.digest }
  }
}

/// One model x context length x task: the cells here differ in their strategy only.
private struct CellPlace {
  let model: ModelFacts
  let contextLength: Int
  let task: TaskDescription
  let taskLabel: String
  let taskParameters: [String: JSONValue]
  let seed: Int
  let textDigests: TextDigests

  /// One cell for each variant, in their order; a variant's reference stands before it.
  func cells(of variants: [PlannedVariant], _ texts: [String?]) -> [PlannedCell] {
    let taskText = CellIdentity.text(
      name: task.name,
      CellIdentity.parameters(
        taskParameters, textParameters: task.textParameters, textPaths: task.textPaths,
        textDigests: textDigests.ofTasks))
    let references = variants.indices.filter { variants[$0].described.role == .reference }
    let full = references.first { variants[$0].configured?.cache == .f16 } ?? references.first
    let referenceCache = full.flatMap { variants[$0].configured?.cache }
    var identities: [String] = []
    for (planned, text) in zip(variants, texts) {
      let variant = planned.variant
      let reference = variant.reference.map { identities[$0] }
      identities.append(
        CellIdentity.of(
          modelDigest: model.digest, contextLength: contextLength,
          strategy: text
            ?? planned.identityText(
              matching: variant.partReferences.mapValues { identities[$0] }, textDigests),
          budget: variant.budget.map { PlannedVariant.identified($0, by: reference) },
          referenceCache: referenceCache, task: taskText, seed: seed))
    }
    var deciding = taskParameters
    for name in CellIdentity.timingParameters { deciding[name] = nil }
    let decodeTokens =
      taskParameters[ParameterDescription.decodeTokens.name]?.integerValue
      ?? ParameterDescription.decodeTokens.defaultValue.integerValue ?? 0
    return zip(variants, identities).map { planned, identity in
      let (variant, described) = (planned.variant, planned.described)
      return PlannedCell(
        cell: CellRecord(
          identity: identity, model: model.name, modelDigest: model.digest,
          contextLength: contextLength, strategy: described.name,
          strategyParameters: planned.parameters, task: task.name,
          taskProtocol: task.protocols.isEmpty ? nil : taskParameters["protocol"]?.stringValue,
          taskParameters: .object(deciding),
          queryAware: taskParameters[ParameterDescription.queryAware.name]?.booleanValue ?? true,
          selectionLooksAhead: described.selectionLooksAhead, strategyRole: described.role,
          readsFuture: described.readsFuture, seed: seed),
        label: variant.label, taskLabel: taskLabel,
        fullIdentity: full.map { identities[$0] } ?? identity,
        matchedIdentity: variant.firstReference.map { identities[$0] },
        partReferences: variant.partReferences.mapValues { identities[$0] },
        decodeTokens: decodeTokens)
    }
  }
}
