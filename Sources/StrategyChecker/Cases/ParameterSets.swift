import Attention
import JSON
import Records
import Tensors

/// Which parameters a strategy is checked with, worked out from its description: small sizes, so that windows and
/// budgets bind on short sequences, each option in turn, and sets that keep everything.
struct ParameterSets {
  let description: StrategyDescription
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
    if description.phases.isEmpty { return [base] }
    if description.hasParts { return coveringParts }
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

  /// Fills in the defaults that a set does not name.
  func completed(_ parameters: Parameters) -> Parameters {
    values { $0.defaultValue }.merging(parameters) { _, given in given }
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

  private func isBlock(_ parameter: ParameterDescription) -> Bool {
    let name = parameter.name.lowercased()
    return name.contains("block") || name.contains("page") || name.contains("chunk")
  }

  private func small(_ parameter: ParameterDescription, uniformGroups: Bool) -> JSONValue {
    switch (parameter.kind, parameter.defaultValue) {
    case (.strategy(let phase), _):
      return parts(for: phase).first.map { part($0, $0.base) } ?? .null
    case (.integer(let minimum, let maximum), .integer(let value)) where isSize(parameter):
      let size =
        isBlock(parameter) || value < 64 ? min(value / 2, Self.blockSize) : Self.windowSize
      return .integer(min(max(size, minimum ?? size), maximum ?? size))
    case (.list(.integer(let minimum, let maximum)), .null):
      return .array(
        headList { place in
          // Some value for each head; of a group's heads one value, where they must agree.
          let group = shape.queryHeadsPerKVHead
          let item = uniformGroups ? place / group * group : place
          var generator = SeededGenerator(seed: seed, purpose: "\(parameter.name) \(item)")
          let low = minimum ?? 0
          let high = max(low, maximum ?? low + 3)
          return low + generator.index(below: high - low + 1)
        })
    case (.list(.number(let minimum, let maximum)), .null) where parameter.name == "heads":
      // By convention whole numbers in `heads` are choices of query heads, others scores of KV heads.
      let low = minimum ?? 0
      return .array(
        (0..<shape.layers * shape.kvHeads).map { place in
          var generator = SeededGenerator(seed: seed, purpose: "\(parameter.name) \(place)")
          return .number(low + generator.unit() * ((maximum ?? low + 1) - low))
        })
    default:
      return parameter.defaultValue
    }
  }

  private func large(_ parameter: ParameterDescription) -> JSONValue {
    guard isSize(parameter), !isBlock(parameter), case .integer(_, let maximum) = parameter.kind
    else { return small(parameter, uniformGroups: true) }
    return .integer(min(maximum ?? 1 << 20, 1 << 20))
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
            sets, sets.takesTokens ? sets.budgeted(uniform, ["tokens": 5]) : uniform)
        }
    case (.boolean, .boolean(let value)):
      return [.boolean(!value)]
    case (.choice(let words), let value):
      return words.map { .string($0) }.filter { $0 != value }
    case (.integer(let minimum, let maximum), .integer(let value)) where !isSize(parameter):
      let other = value + 3
      return [minimum ?? 0, min(other, maximum ?? other)].filter { $0 != value }
        .map { .integer($0) }
    case (.number(let minimum?, let maximum?), let value):
      return [.number(minimum), .number(maximum)].filter { $0 != value }
    default:
      return []
    }
  }

  // MARK: Parts

  /// The sets of every strategy that can be a part for this phase.
  private func parts(for phase: StrategyPhase) -> [ParameterSets] {
    registry.descriptions.filter { $0.fits(phase) }.map {
      ParameterSets(
        description: $0, shape: shape, promptTokens: promptTokens, tokens: tokens, seed: seed)
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

  /// The forms of a budget that reach a strategy: numbers of this prompt.
  private var budgets: [JSONValue] {
    var forms: [JSONValue] = []
    if takesTokens {
      forms += [1, 5, 24].map { .object(["tokens": .integer($0)]) }
    }
    if description.budgets.contains(.density) { forms.append(density(0.4)) }
    if description.budgets.contains(.mass) { forms.append(.object(["mass": .number(0.8)])) }
    return forms
  }

  private var coveringBudgets: [JSONValue] {
    var forms: [JSONValue] = []
    if takesTokens { forms.append(.object(["tokens": .integer(tokens)])) }
    // A density speaks of the prompt alone.
    if description.budgets.contains(.density), description.phases == [.prefill] {
      forms.append(density(1))
    }
    if description.budgets.contains(.mass) { forms.append(.object(["mass": .number(1)])) }
    return forms
  }

  private var takesTokens: Bool {
    description.budgets.contains { $0 == .fraction || $0 == .tokens || $0 == .bytes }
  }

  private func density(_ density: Double) -> JSONValue {
    .object(["density": .number(density), "promptTokens": .integer(promptTokens)])
  }

  private func budgeted(_ parameters: Parameters, _ budget: JSONValue) -> Parameters {
    parameters.merging(["budget": budget]) { _, new in new }
  }
}
