import JSON
import Records
import Tensors

/// A strategy whose type is not known where it is used, acting in one phase of a composition.
///
/// Its state travels as `any Sendable`; each call takes it out, so that it is changed in place, and puts it back.
struct StrategyPart: Sendable {
  let phase: StrategyPhase
  private(set) var strategy: any AttentionStrategy

  /// - Parameter value: a strategy as a spec writes it: its name, parameters and budget in one object.
  /// - Throws: `ConfigurationError`, parameters named `prefill.localWindow`.
  init(
    _ value: JSONValue, acting phase: StrategyPhase, in registry: StrategyRegistry,
    for shape: AttentionShape
  ) throws(ConfigurationError) {
    self.phase = phase
    let name = value["name"]?.stringValue ?? ""
    guard let entry = registry.entry(named: name), entry.description.fits(phase) else {
      let known = registry.descriptions.filter { $0.fits(phase) }.map(\.name)
      throw ConfigurationError(
        phase.rawValue,
        "\"\(name)\" is no strategy that acts in \(phase.rawValue); use \(known.joined(separator: ", "))"
      )
    }
    do {
      strategy = try entry.makeStrategy(parameters: value, shape: shape)
    } catch let error as ConfigurationError {
      throw ConfigurationError("\(phase.rawValue).\(error.parameter)", error.message)
    } catch {
      throw ConfigurationError(phase.rawValue, "\(error)")
    }
  }

  func reading(_ future: FutureAttention) -> StrategyPart {
    var part = self
    part.strategy = strategy.reading(future)
    return part
  }

  func makeState(layer: Int) -> any Sendable { strategy.makeState(layer: layer) }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout any Sendable, workspace: Workspace
  ) {
    func select<Strategy: AttentionStrategy>(_ strategy: Strategy) {
      Self.with(&state, of: strategy) {
        strategy.selectForPrefill(
          layer, queries: queries, into: &selections, state: &$0, workspace: workspace)
      }
    }
    select(strategy)
  }

  /// As finely as the strategy would select alone, its choices thrown away.
  func watchPrefill(_ layer: LayerView, state: inout any Sendable, workspace: Workspace) {
    for block in strategy.prefillGranularity.blocks(of: layer.queries.rows) {
      var unused = HeadSelections(heads: layer.shape.queryHeads)
      selectForPrefill(
        layer,
        queries: layer.firstQueryPosition + block.lowerBound..<layer.firstQueryPosition
          + block.upperBound,
        into: &unused, state: &state, workspace: workspace)
    }
  }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout any Sendable,
    workspace: Workspace
  ) {
    func select<Strategy: AttentionStrategy>(_ strategy: Strategy) {
      Self.with(&state, of: strategy) {
        strategy.selectForDecode(layer, into: &selections, state: &$0, workspace: workspace)
      }
    }
    select(strategy)
  }

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout any Sendable,
    workspace: Workspace
  ) {
    func select<Strategy: AttentionStrategy>(_ strategy: Strategy) {
      Self.with(&state, of: strategy) {
        strategy.selectForRetention(layer, into: &kept, state: &$0, workspace: workspace)
      }
    }
    select(strategy)
  }

  func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout any Sendable,
    workspace: Workspace
  ) {
    func select<Strategy: AttentionStrategy>(_ strategy: Strategy) {
      Self.with(&state, of: strategy) {
        strategy.selectForColdTier(layer, into: &exact, state: &$0, workspace: workspace)
      }
    }
    select(strategy)
  }

  func cacheBytes(of state: any Sendable) -> Int {
    func bytes<Strategy: AttentionStrategy>(_ strategy: Strategy) -> Int {
      (state as? Strategy.State).map(strategy.cacheBytes) ?? 0
    }
    return bytes(strategy)
  }

  private static func with<Strategy: AttentionStrategy>(
    _ state: inout any Sendable, of strategy: Strategy, _ body: (inout Strategy.State) -> Void
  ) {
    guard var own = state as? Strategy.State else {
      preconditionFailure("StrategyPart: a state of \(type(of: state)) for \(Strategy.self)")
    }
    // The only owner from here on: what it holds is changed in place.
    state = NoState()
    body(&own)
    state = own
  }
}
