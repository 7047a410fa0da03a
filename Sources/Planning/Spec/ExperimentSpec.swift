import Attention
import JSON
import Records
import Synthesis
import Tensors

/// What an experiment asks for: every model x context length x strategy x task, and what to measure of each cell.
///
/// The values of a spec that has been checked: defaults filled in, `full` among the strategies.
public struct ExperimentSpec: Sendable, Hashable {
  /// The form of spec files that this program reads.
  public static let schemaVersion = 1

  /// Names the experiment in the database and its folder under `results`.
  public var name: String
  public var question: String
  public var models: [ModelReference]
  /// In tokens, in the order of the spec.
  public var contextLengths: [Int]
  /// In the order of the spec; `full` first where the spec does not list it.
  public var strategies: [SpecStrategy]
  public var tasks: [SpecTask]
  public var metrics: Set<ResultKind>
  /// Timed runs that don't count, and those that do.
  public var warmups: Int
  public var repeats: Int
  public var seed: Int
  public var threads: Int
}

/// A model as a spec names it.
public struct ModelReference: Sendable, Hashable {
  public var name: String
  /// The file, relative paths resolved against the spec's folder; nil for a model of the catalogue.
  public var path: String?
  /// Attention inputs that stand for a model; nil for a model from a file.
  public var synthetic: SyntheticGeometry?
  /// The model's name in the catalogue, for one without a path.
  public var catalogueName: String
  /// Takes the place of the scaling that the model's file states; nil to leave it.
  public var ropeScaling: RotaryScaling?
  /// The context lengths of its cells, a subset of the experiment's; nil for all of them.
  public var contextLengths: Set<Int>?

  public init(
    name: String, path: String? = nil, synthetic: SyntheticGeometry? = nil,
    catalogueName: String? = nil, ropeScaling: RotaryScaling? = nil,
    contextLengths: Set<Int>? = nil
  ) {
    self.name = name
    self.path = path
    self.synthetic = synthetic
    self.catalogueName = catalogueName ?? name
    self.ropeScaling = ropeScaling
    self.contextLengths = contextLengths
  }

  /// Whether it has cells of a context length, unless the task leaves it out.
  func takes(_ contextLength: Int) -> Bool { contextLengths?.contains(contextLength) ?? true }
}

/// One object of a spec's `strategies`: one strategy with every combination of its parameters' values.
public struct SpecStrategy: Sendable, Hashable {
  public var description: StrategyDescription
  public var grid: ParameterGrid
  /// Nil where the strategy's own sizes count; several make an axis of the grid.
  public var budgets: [StatedBudget]?
  /// The strategies that can be parts of it.
  public var partDescriptions: [StrategyDescription] = []
  /// Where the spec says so; nil for a `full` that was added.
  public var path: JSONPath?

  public var name: String { description.name }

  /// The strategies whose measured use its budgets match.
  public var matchedNames: [String] {
    let ofParts = description.parameters.filter { $0.partPhase != nil }
      .flatMap { grid.values[$0.name] ?? [] }
      .compactMap { $0["budget"].flatMap(StatedBudget.init) }
    return ((budgets ?? []) + ofParts).compactMap(\.matchedName)
  }
}

/// One object of a spec's `tasks`.
public struct SpecTask: Sendable, Hashable {
  public var description: TaskDescription
  public var grid: ParameterGrid
  /// The context lengths of its cells, a subset of the experiment's; nil for all of them.
  public var contextLengths: Set<Int>?
  public var path: JSONPath

  public var name: String { description.name }

  /// Whether it has cells of a context length, unless the model leaves it out.
  func takes(_ contextLength: Int) -> Bool { contextLengths?.contains(contextLength) ?? true }
}

extension ExperimentSpec {
  /// The context lengths at which a model has cells, in the order of the spec: of those that it takes, the ones that
  /// any task takes.
  func contextLengths(of model: ModelReference) -> [Int] {
    contextLengths.filter { length in
      model.takes(length) && (tasks.isEmpty || tasks.contains { $0.takes(length) })
    }
  }

  /// The same for a task, with any model.
  func contextLengths(of task: SpecTask) -> [Int] {
    contextLengths.filter { length in
      task.takes(length) && (models.isEmpty || models.contains { $0.takes(length) })
    }
  }

  /// The number of context lengths at which a model and a task meet.
  func contextLengthCount(of model: ModelReference, _ task: SpecTask) -> Int {
    if model.contextLengths == nil, task.contextLengths == nil { return contextLengths.count }
    return contextLengths.count { model.takes($0) && task.takes($0) }
  }
}

/// The values of every parameter, one or more of each.
public struct ParameterGrid: Sendable, Hashable {
  /// In the order of the description, which is the order of axes: the first varies slowest.
  public var names: [String]
  /// At least one value for each name.
  public var values: [String: [JSONValue]]
  /// Values that go without saying: combinations leave them out.
  public var silent: [String: JSONValue] = [:]

  /// How many combinations there are; `Int.max` where they are more than fit.
  public var count: Int {
    names.reduce(1) { product, name in
      let (result, overflow) = product.multipliedReportingOverflow(by: values[name]?.count ?? 1)
      return overflow ? .max : result
    }
  }

  /// Every combination.
  public var points: [[String: JSONValue]] {
    names.reduce([[:]]) { points, name in
      points.flatMap { point in
        (values[name] ?? []).map { value in
          value == silent[name] ? point : point.merging([name: value]) { $1 }
        }
      }
    }
  }
}

extension ParameterGrid {
  /// The default of every parameter.
  init(defaultsOf parameters: [ParameterDescription]) {
    names = parameters.map(\.name)
    values = Dictionary(
      parameters.map { ($0.name, [$0.defaultValue]) }, uniquingKeysWith: { first, _ in first })
    silent = Dictionary(
      parameters.filter(\.isLeftOutAtDefault).map { ($0.name, $0.defaultValue) },
      uniquingKeysWith: { first, _ in first })
  }
}
