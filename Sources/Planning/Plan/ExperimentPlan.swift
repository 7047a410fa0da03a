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

  /// Plans the models that could be read; see `CheckedSpec.missingModels`.
  public init(_ checked: CheckedSpec) {
    let spec = checked.spec
    let variants = StrategyVariant.all(of: spec.strategies)
    let tasks = PlannedTask.all(of: spec.tasks)
    var cells: [PlannedCell] = []
    var planned: Set<String> = []
    var strategies: [String: ConfiguredStrategy] = [:]
    let configured = variants.map(\.configured)
    for model in checked.models {
      for contextLength in spec.contextLengths.sorted() {
        for task in tasks {
          let place = CellPlace(
            model: model, contextLength: contextLength, task: task.description,
            taskLabel: task.label,
            taskParameters: TaskRegistry.builtIn.canonical(
              task.parameters, of: task.description.name, contextLength: contextLength),
            seed: spec.seed,
            textDigests: checked.textDigests)
          for (cell, strategy) in zip(place.cells(of: variants, configured), configured)
          where planned.insert(cell.cell.identity).inserted {
            strategies[cell.cell.identity] = strategy
            cells.append(cell)
          }
        }
      }
    }
    self.cells = cells
    self.strategies = strategies
  }
}

/// A task with one value for each parameter, and what to call it.
private struct PlannedTask {
  let description: TaskDescription
  let parameters: [String: JSONValue]
  /// The task's name and the parameters in which the experiment's tasks of that name differ; the protocol, which stands
  /// in a column of its own, is none of them.
  let label: String

  static func all(of entries: [SpecTask]) -> [PlannedTask] {
    let points = entries.flatMap { entry in entry.grid.points.map { (entry.description, $0) } }
    let families = Dictionary(grouping: points, by: \.0.name)
    return points.map { description, parameters in
      let family = families[description.name] ?? []
      let telling = description.parameters.map(\.name).filter { name in
        name != "protocol" && !CellIdentity.timingParameters.contains(name)
          && Set(family.map { $0.1[name] ?? .null }).count > 1
      }
      let words = telling.map { name in
        let value = parameters[name] ?? .null
        return "\(name)=\(value.stringValue ?? value.canonicalText)"
      }
      return PlannedTask(
        description: description, parameters: parameters,
        label: ([description.name] + words).joined(separator: " "))
    }
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
  let textDigests: [String: String]

  /// One cell for each variant, in their order; a variant's reference stands before it.
  func cells(
    of variants: [StrategyVariant], _ configured: [ConfiguredStrategy?]
  ) -> [PlannedCell] {
    var identities: [String] = []
    for variant in variants {
      identities.append(
        identity(
          of: variant, reference: variant.reference.map { identities[$0] },
          partReferences: variant.partReferences.mapValues { identities[$0] }))
    }
    let full = variants.firstIndex { $0.description.role == .reference }
    return variants.indices.map { index in
      let (variant, identity) = (variants[index], identities[index])
      return PlannedCell(
        cell: record(
          of: variant, configured[index]?.description ?? variant.description, identity: identity),
        label: variant.label,
        taskLabel: taskLabel,
        fullIdentity: full.map { identities[$0] } ?? identity,
        matchedIdentity: variant.firstReference.map { identities[$0] },
        partReferences: variant.partReferences.mapValues { identities[$0] },
        decodeTokens: taskParameters[ParameterDescription.decodeTokens.name]?.integerValue
          ?? ParameterDescription.decodeTokens.defaultValue.integerValue ?? 0)
    }
  }

  /// - Parameters:
  ///   - reference: the identity of the cell that its budget matches.
  ///   - partReferences: the same for the budgets of its parts.
  private func identity(
    of variant: StrategyVariant, reference: String?, partReferences: [String: String]
  ) -> String {
    func matched(_ budget: StatedBudget?, to reference: String?) -> JSONValue? {
      guard let reference, case .matching(_, let use)? = budget else { return budget?.jsonValue }
      return ["matching": .string(reference), "of": .string(use.rawValue)]
    }
    var parameters = variant.parameters
    for (part, reference) in partReferences {
      guard let value = parameters[part], let budget = value["budget"].flatMap(StatedBudget.init),
        let identified = matched(budget, to: reference)
      else { continue }
      parameters[part] = value.replacing("budget", by: identified)
    }
    return CellIdentity.of(
      CellIdentity.content(
        modelDigest: model.digest, contextLength: contextLength,
        strategy: variant.description.name,
        strategyParameters: CellIdentity.parameters(
          parameters, textParameters: SpecEnvironment.strategyTextParameters,
          textDigests: strategyTextDigests),
        budget: matched(variant.budget, to: reference), task: task.name,
        taskParameters: CellIdentity.parameters(
          taskParameters, textParameters: task.textParameters,
          textPaths: task.textPaths, textDigests: textDigests),
        seed: seed))
  }

  /// A synthetic model is calibrated on its own inputs, whatever text a strategy names.
  private var strategyTextDigests: [String: String] {
    model.synthetic == nil ? textDigests : textDigests.mapValues { _ in model.digest }
  }

  private func record(
    of variant: StrategyVariant, _ described: StrategyDescription, identity: String
  ) -> CellRecord {
    var strategyParameters = variant.parameters
    if let budget = variant.budget { strategyParameters["budget"] = budget.jsonValue }
    var deciding = taskParameters
    for name in CellIdentity.timingParameters { deciding[name] = nil }
    return CellRecord(
      identity: identity, model: model.name, modelDigest: model.digest,
      contextLength: contextLength, strategy: variant.description.name,
      strategyParameters: .object(strategyParameters), task: task.name,
      taskProtocol: task.protocols.isEmpty ? nil : taskParameters["protocol"]?.stringValue,
      taskParameters: .object(deciding),
      queryAware: taskParameters[ParameterDescription.queryAware.name]?.booleanValue ?? true,
      selectionLooksAhead: described.selectionLooksAhead, strategyRole: described.role,
      readsFuture: described.readsFuture, seed: seed)
  }
}
