import JSON
import Records
import Tensors

/// A strategy made of others: one chooses what prompt queries attend to, one what the KV cache keeps, one what decode
/// queries attend to.
///
/// Each part acts in its phase alone; what it would do in others is ignored. A part has its own parameters, its own
/// budget and its own state. One that remembers something (TCA's choice for the prompt, the sums of H2O) watches the
/// phases before its own as it would if it were alone, and its choices there are thrown away; their time counts, since
/// the part cannot do without. Parts see the cache as it is: a decode part chooses among what the retention part left.
///
/// A phase without a part attends to, or keeps, everything that is held. Not a method of any paper: its parts have theirs.
public struct ComposedStrategy: AttentionStrategy {
  /// Each a strategy as a spec writes it, its budget a ``Budget``.
  public struct Configuration: Codable, Hashable, Sendable {
    public var prefill: JSONValue?
    public var retention: JSONValue?
    public var decode: JSONValue?

    public init(
      prefill: JSONValue? = nil, retention: JSONValue? = nil, decode: JSONValue? = nil
    ) {
      self.prefill = prefill
      self.retention = retention
      self.decode = decode
    }
  }

  /// The states of the parts, in their order.
  public struct State: Sendable {
    var parts: [any Sendable]
  }

  public static let description = StrategyDescription(
    name: "composed",
    summary: "One strategy for the prompt, one for what the cache keeps, one for decode queries.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "prefill", .strategy(.prefill), default: .null,
        "chooses what prompt queries attend to; without it everything"),
      ParameterDescription(
        "retention", .strategy(.retention), default: .null,
        "decides what the KV cache keeps; without it everything"),
      ParameterDescription(
        "decode", .strategy(.decode), default: .null,
        "chooses what decode queries attend to; without it everything that is held"),
    ],
    fidelity: .own, source: "no paper of its own; each part names its source")

  private var parts: [StrategyPart]

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    var parts: [StrategyPart] = []
    let given: [(StrategyPhase, JSONValue?)] = [
      (.prefill, configuration.prefill), (.retention, configuration.retention),
      (.decode, configuration.decode),
    ]
    for (phase, value) in given {
      guard let value, !value.isNull else { continue }
      let part = try StrategyPart(value, acting: phase, in: .builtIn, for: shape)
      // Positions in the cache follow from sinks and a window, which another part would not keep to.
      guard phase == .retention || part.strategy.cachePositions == nil else {
        throw ConfigurationError(
          phase.rawValue,
          "a part cannot count positions in the cache; use \"positions\": \"absolute\" in a composition"
        )
      }
      parts.append(part)
    }
    guard !parts.isEmpty else {
      throw ConfigurationError(
        "prefill",
        "composed has no part; give at least one of prefill, retention and decode, each {\"name\": …} with its parameters"
      )
    }
    self.parts = parts
  }

  public func makeState(layer: Int) -> State {
    State(parts: parts.map { $0.makeState(layer: layer) })
  }

  public var readsFuture: Bool { parts.contains { $0.strategy.readsFuture } }

  public func reading(_ future: FutureAttention) -> ComposedStrategy {
    var composed = self
    composed.parts = parts.map { $0.reading(future) }
    return composed
  }

  /// Where they are those of the parts that attend, to keys as they were written.
  public var logitsAreDense: Bool {
    coldFormat == nil
      && parts.allSatisfy { $0.phase == .retention || $0.strategy.logitsAreDense }
  }

  // MARK: Prefill

  public var prefillGranularity: PrefillGranularity {
    part(in: .prefill)?.strategy.prefillGranularity ?? .wholePrompt
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    let isFirstBlock = queries.lowerBound == layer.firstQueryPosition
    for (index, part) in parts.enumerated() {
      if part.phase == .prefill {
        part.selectForPrefill(
          layer, queries: queries, into: &selections, state: &state.parts[index],
          workspace: workspace)
      } else if part.strategy.remembersOtherPhases && isFirstBlock {
        part.watchPrefill(layer, state: &state.parts[index], workspace: workspace)
      }
    }
  }

  // MARK: Decode

  /// No more than the decode part allows; and since no part hides what is about to be evicted, none beyond the next
  /// retention.
  public func queriesDecodedTogether(from position: Int) -> Int {
    var count = Self.mostTogether
    for part in parts where part.phase != .prefill {
      count = min(count, part.strategy.queriesDecodedTogether(from: position))
    }
    guard count > 1, let retention = part(in: .retention)?.strategy else { return max(1, count) }
    return (1..<count).first {
      retention.retentionIsDue(before: position + $0, phase: .decode)
    } ?? count
  }

  /// Enough for any step that a forward pass takes.
  private static let mostTogether = 1024

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    for (index, part) in parts.enumerated() {
      if part.phase == .decode {
        part.selectForDecode(
          layer, into: &selections, state: &state.parts[index], workspace: workspace)
      } else if part.phase == .retention && part.strategy.remembersOtherPhases {
        var unused = HeadSelections(heads: selections.count)
        part.selectForDecode(
          layer, into: &unused, state: &state.parts[index], workspace: workspace)
      }
    }
  }

  // MARK: Retention

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    parts.contains { isDue($0, before: position, phase: phase) }
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    let position = layer.newestQuery + 1
    for (index, part) in parts.enumerated()
    where isDue(part, before: position, phase: layer.phase) {
      if part.phase == .retention {
        part.selectForRetention(
          layer, into: &kept, state: &state.parts[index], workspace: workspace)
      } else {
        var unused = HeadSelections(heads: kept.count)
        part.selectForRetention(
          layer, into: &unused, state: &state.parts[index], workspace: workspace)
      }
    }
  }

  public var coldFormat: ColdFormat? { part(in: .retention)?.strategy.coldFormat }

  public func selectForColdTier(
    _ layer: LayerView, into exact: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    let position = layer.newestQuery + 1
    for (index, part) in parts.enumerated()
    where part.phase == .retention && isDue(part, before: position, phase: layer.phase) {
      part.selectForColdTier(
        layer, into: &exact, state: &state.parts[index], workspace: workspace)
    }
  }

  /// Asks the retention part, and a decode part that goes by what it would have kept.
  private func isDue(_ part: StrategyPart, before position: Int, phase: AttentionPhase) -> Bool {
    switch part.phase {
    case .prefill: return false
    case .decode where !part.strategy.remembersOtherPhases: return false
    case .decode, .retention:
      return part.strategy.retentionIsDue(before: position, phase: phase)
    }
  }

  public func cacheBytes(of state: State) -> Int {
    zip(parts, state.parts).reduce(0) { $0 + $1.0.cacheBytes(of: $1.1) }
  }

  private func part(in phase: StrategyPhase) -> StrategyPart? {
    parts.first { $0.phase == phase }
  }
}
