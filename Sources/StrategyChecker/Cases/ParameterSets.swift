import Attention
import JSON
import Records
import Tensors

/// Which parameters a strategy is checked with, worked out from its description: small sizes, so that windows and
/// budgets bind on short sequences, each option in turn, each size at the least that it may be, and sets that keep
/// everything.
struct ParameterSets {
  let entry: StrategyEntry
  let shape: AttentionShape
  /// Tokens of the prompt, and of prompt and decode steps together.
  let promptTokens: Int
  let tokens: Int
  let seed: Int
  /// Where parts of a composition come from.
  var registry = StrategyRegistry.builtIn

  /// What the small sizes replace: defaults of at least this.
  private static let leastSize = 16
  /// Blocks and windows of the small sets; prompt lengths are chosen around them.
  static let blockSize = 16
  static let windowSize = 32

  typealias Parameters = [String: JSONValue]

  private var description: StrategyDescription { entry.description }

  /// Small sizes, everything else at its default.
  var base: Parameters { values { small($0, uniformGroups: false) } }

  /// The base with one parameter changed at a time, and with each form of budget.
  var variations: [Parameters] {
    let uniform = values { small($0, uniformGroups: true) }
    let options = description.parameters.flatMap { parameter in
      alternatives(to: parameter).map { value in
        var changed = uniform
        changed[parameter.name] = value
        return changed
      }
    }
    return options + budgets.map { budgeted(uniform, $0) }
  }

  /// Sets under which every query attends to everything and nothing leaves the cache.
  var covering: [Parameters] {
    if description.hasParts { return coveringParts }
    if description.phases.isEmpty || leavesNothingOut { return [base] }
    var sets: [Parameters] = []
    let largest = values { large($0) }
    let hasSizes = description.parameters.contains(where: isSize)
    let takesSizesOnly = description.budgets.isEmpty
    if takesSizesOnly && hasSizes { sets.append(largest) }
    // By convention −1 in a list of choices per head stands for "keep everything".
    let unlimited = description.parameters.filter(listsUnlimited)
    if !unlimited.isEmpty {
      var all = base
      for parameter in unlimited {
        all[parameter.name] = .array(headList { _ in -1 })
      }
      sets.append(all)
    }
    return sets + coveringBudgets.map { budgeted(base, $0) }
  }

  /// A coarse look leaves nothing out.
  private var leavesNothingOut: Bool {
    let strategy = (try? entry.configure(.object(base)))?.strategy
    return strategy is any Skims && !(strategy is any Coarsens)
  }

  // MARK: Values

  private func values(_ value: (ParameterDescription) -> JSONValue) -> Parameters {
    Dictionary(
      uniqueKeysWithValues: description.parameters.map { ($0.name, value($0)) })
  }

  private func isSize(_ parameter: ParameterDescription) -> Bool {
    guard case .integer = parameter.kind, case .integer(let value) = parameter.defaultValue else {
      return false
    }
    return value >= Self.leastSize
  }

  private func small(_ parameter: ParameterDescription, uniformGroups: Bool) -> JSONValue {
    switch (parameter.kind, parameter.defaultValue) {
    case (.strategy(let phase), _):
      return parts(for: phase).first.map { part($0, $0.base) } ?? .null
    case (.integer(let minimum, let maximum), .integer(let value)) where isSize(parameter):
      let size =
        parameter.isBlockSize || value < 64 ? min(value / 2, Self.blockSize) : Self.windowSize
      return .integer(min(max(size, minimum ?? size), maximum ?? size))
    case (.list(let element), .null):
      return lists(of: element, parameter.name, uniformGroups: uniformGroups)
        .first { fits($0, parameter) } ?? .null
    default:
      return parameter.defaultValue
    }
  }

  private func large(_ parameter: ParameterDescription) -> JSONValue {
    guard isSize(parameter), !parameter.isBlockSize, case .integer(_, let maximum) = parameter.kind
    else { return small(parameter, uniformGroups: true) }
    return .integer(min(maximum ?? 1 << 20, 1 << 20))
  }

  /// A value for each query head, or for each KV head, drawn layer after layer; or none.
  private func lists(
    of element: ParameterKind, _ name: String, uniformGroups: Bool
  ) -> [JSONValue] {
    // Of a group's query heads one value, where they must agree.
    let group = uniformGroups ? shape.queryHeadsPerKVHead : 1
    let lists = [(shape.queryHeads, group), (shape.kvHeads, 1)].map { heads, group in
      (0..<shape.layers * heads).map { place -> JSONValue in
        var generator = SeededGenerator(seed: seed, purpose: "\(name) \(place / group * group)")
        switch element {
        case .integer(let minimum, let maximum):
          let low = minimum ?? 0
          let high = max(low, maximum ?? low + 3)
          return .integer(low + generator.index(below: high - low + 1))
        case .number(let minimum, let maximum):
          let low = minimum ?? 0
          return .number(low + generator.unit() * ((maximum ?? low + 1) - low))
        default: return .null
        }
      }
    }
    return lists.map { .array($0) } + [.null]
  }

  /// Whether a strategy with this value for a parameter, and defaults for all others, has nothing against it.
  private func fits(_ value: JSONValue, _ parameter: ParameterDescription) -> Bool {
    do {
      try entry.configure([parameter.name: value])
        .check(promptTokens: promptTokens, shape: shape)
      return true
    } catch {
      return error.parameter != parameter.name
    }
  }

  private func listsUnlimited(_ parameter: ParameterDescription) -> Bool {
    if case .list(.integer(.some(-1), _)) = parameter.kind { return true }
    return false
  }

  private func headList(_ value: (Int) -> Int) -> [JSONValue] {
    (0..<shape.layers * shape.queryHeads).map { .integer(value($0)) }
  }

  private func alternatives(to parameter: ParameterDescription) -> [JSONValue] {
    switch (parameter.kind, parameter.defaultValue) {
    case (.strategy(let phase), _):
      // Each strategy that fits, with a budget that binds where it takes one.
      return [.null]
        + parts(for: phase).map { sets in
          let uniform = sets.values { sets.small($0, uniformGroups: true) }
          return part(
            sets,
            sets.description.budgets.contains(.tokens)
              ? sets.budgeted(uniform, ["tokens": 5]) : uniform)
        }
    case (.boolean, .boolean(let value)):
      return [.boolean(!value)]
    case (.choice(let words), let value):
      return words.map { .string($0) }.filter { $0 != value }
    case (.integer(let minimum, let maximum), .integer(let value)) where !isSize(parameter):
      let other = value + 3
      // A value may contradict the defaults of others.
      return [minimum ?? 0, min(other, maximum ?? other)].filter { $0 != value }
        .map { .integer($0) }.filter { fits($0, parameter) }
    case (.integer(let minimum?, _), let value)
    where value.isNull || isSize(parameter) && !parameter.isBlockSize:
      return [.integer(minimum)].filter { fits($0, parameter) }
    case (.number(let minimum?, let maximum?), let value):
      return [.number(minimum), .number(maximum)].filter { $0 != value }
    case (.list, .null):
      return fits(.null, parameter) ? [.null] : []
    default:
      return []
    }
  }

  // MARK: Parts

  /// The sets of every strategy that can be a part for this phase.
  private func parts(for phase: StrategyPhase) -> [ParameterSets] {
    registry.entries.filter { $0.description.fits(phase) }.map {
      ParameterSets(
        entry: $0, shape: shape, promptTokens: promptTokens, tokens: tokens, seed: seed)
    }
  }

  private func part(_ sets: ParameterSets, _ parameters: Parameters) -> JSONValue {
    .object(parameters.merging(["name": .string(sets.description.name)]) { $1 })
  }

  /// Each part alone, under a set with which it keeps everything, and one such part in every phase.
  private var coveringParts: [Parameters] {
    let none = values { $0.defaultValue }
    var together = none
    var sets: [Parameters] = []
    for parameter in description.parameters {
      guard let phase = parameter.partPhase else { continue }
      for candidate in parts(for: phase) {
        guard let covering = candidate.covering.first else { continue }
        let value = part(candidate, covering)
        sets.append(none.merging([parameter.name: value]) { $1 })
        if together[parameter.name]?.isNull == true { together[parameter.name] = value }
      }
    }
    return sets + [together]
  }

  // MARK: Budgets

  /// As a spec states them; small enough to bind.
  private var budgets: [JSONValue] {
    description.budgets.flatMap { form -> [JSONValue] in
      switch form {
      case .tokens: [["tokens": 1], ["tokens": 5], ["tokens": 24]]
      case .fraction: [["fraction": 0.3]]
      case .density: [["density": 0.4]]
      case .mass: [["mass": 0.8]]
      // These come to a number of tokens, or a density.
      case .bytes, .meanKvBytes, .matching: []
      }
    }
  }

  private var coveringBudgets: [JSONValue] {
    description.budgets.flatMap { form -> [JSONValue] in
      switch form {
      case .tokens: [["tokens": .integer(tokens)]]
      // A density speaks of the prompt alone.
      case .density where description.phases == [.prefill]: [["density": 1]]
      case .fraction: [["fraction": 1]]
      case .mass: [["mass": 1]]
      case .bytes, .meanKvBytes, .density, .matching: []
      }
    }
  }

  private func budgeted(_ parameters: Parameters, _ budget: JSONValue) -> Parameters {
    parameters.merging(["budget": budget]) { _, new in new }
  }
}
