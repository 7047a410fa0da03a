import Attention
import Records
import Synchronization
import Tensors

/// Wrong on purpose: chooses keys for each block of queries by the prompt's last query and does not declare it.
struct PeekingAhead: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "peeking-ahead", summary: "", phases: [.prefill], parameters: [], fidelity: .own,
    source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  var prefillGranularity: PrefillGranularity { .queryBlock(of: 16, from: .firstToken) }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 4))
      let newest = layer.query(head: head, at: layer.newestQuery)
      for position in strongestKeys(newest, in: layer.heads[layer.shape.kvHead(of: head)]) {
        selections[head].keep(position)
      }
    }
  }
}

/// Wrong on purpose: says that it looks ahead and has a window only.
struct FalselyLookingAhead: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "falsely-looking-ahead", summary: "", phases: [.prefill], parameters: [],
    selectionLooksAhead: true, fidelity: .own, source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    for head in 0..<selections.count { selections[head] = Selection(window: .init(width: 8)) }
  }
}

/// Wrong on purpose: keeps twice its budget, or evicts though it declares no retention.
struct OverBudget: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {
    var budget: Budget?
  }

  static let description = StrategyDescription(
    name: "over-budget", summary: "", phases: [.retention], parameters: [],
    budgets: [.fraction, .tokens], fidelity: .own, source: "")

  let kept: Int?

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {
    if case .tokens(let tokens) = configuration.budget { kept = 2 * tokens } else { kept = nil }
  }

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    kept.map { position > $0 } ?? false
  }

  func selectForRetention(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    guard let kept else { return }
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: kept - 1))
    }
  }
}

/// Wrong on purpose: evicts although it declares only to select for the prompt.
struct EvictingInSecret: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "evicting-in-secret", summary: "", phases: [.prefill], parameters: [], fidelity: .own,
    source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { position > 40 }

  func selectForRetention(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    for head in 0..<selections.count { selections[head] = Selection(window: .init(width: 30)) }
  }
}

/// Wrong on purpose: what it chose once it chooses again, in the next sequence, layer or head.
struct Carrying: AttentionStrategy {
  enum Place: String, Codable, Hashable, Sendable, CaseIterable { case sequence, layer, head }

  struct Configuration: Codable, Hashable, Sendable {
    var place: Place
  }

  static func describe(_ place: Place) -> StrategyDescription {
    StrategyDescription(
      name: "carrying", summary: "", phases: [.prefill, .decode],
      parameters: [
        ParameterDescription(
          "place", .choice([place.rawValue]), default: .string(place.rawValue), "")
      ], selectionLooksAhead: true, fidelity: .own, source: "")
  }

  static let description = describe(.sequence)

  /// Choices by layer and query head.
  private final class Memory: Sendable {
    let keys = Mutex<[Int: [[Int]]]>([:])
  }

  private let place: Place
  private let memory = Memory()

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {
    place = configuration.place
  }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    let source = place == .layer ? layer.layer - 1 : layer.layer
    let remembered = memory.keys.withLock { $0[source] }
    var chosen: [[Int]] = []
    for head in 0..<selections.count {
      let newest = layer.query(head: head, at: layer.newestQuery)
      let carried = place == .head ? chosen.last : remembered?[head]
      chosen.append(strongestKeys(newest, in: layer.heads[layer.shape.kvHead(of: head)]))
      selections[head] = Selection(window: LocalWindow(width: 4))
      for position in chosen[head] + (carried ?? []) { selections[head].keep(position) }
    }
    memory.keys.withLock { $0[layer.layer] = chosen }
  }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    for head in 0..<selections.count { selections[head] = Selection(window: .init(width: 8)) }
  }
}

/// Wrong on purpose: allows decode steps to be taken together although each has a selection of its own.
struct HastyDecoding: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "hasty-decoding", summary: "", phases: [.decode], parameters: [], fidelity: .own,
    source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  func queriesDecodedTogether(from position: Int) -> Int { 4 }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 6))
      let newest = layer.query(head: head, at: layer.newestQuery)
      for position in strongestKeys(newest, in: layer.heads[layer.shape.kvHead(of: head)]) {
        selections[head].keep(position)
      }
    }
  }
}

/// Right: the first KV head keeps the newest token alone, the last keeps everything, the others every third token.
struct RaggedHeads: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "ragged-heads", summary: "", phases: [.retention], parameters: [], fidelity: .own,
    source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool { true }

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    for head in 0..<kept.count - 1 {
      kept[head] = Selection(window: .currentToken)
      if head > 0 {
        for position in stride(from: 0, to: layer.newestQuery, by: 3) { kept[head].keep(position) }
      }
    }
  }
}

/// Right: shares one choice among all heads of a layer, by the mean of their queries' products.
struct SharingHeads: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {}

  static let description = StrategyDescription(
    name: "sharing-heads", summary: "", phases: [.prefill], parameters: [],
    selectionLooksAhead: true, fidelity: .own, source: "")

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {}

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    var sums = [Double](repeating: 0, count: layer.heads[0].count)
    for head in 0..<selections.count {
      let newest = layer.query(head: head, at: layer.newestQuery)
      for (slot, product) in products(newest, layer.heads[layer.shape.kvHead(of: head)])
        .enumerated()
      {
        sums[slot] += product
      }
    }
    let strongest = sums.indices.sorted { sums[$0] > sums[$1] }.prefix(6)
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 4))
      for position in strongest { selections[head].keep(position) }
    }
  }
}

/// q·k of every key held.
private func products(_ query: Span<Float>, _ cache: KVHead) -> [Double] {
  let keys = cache.keys
  return (0..<cache.count).map { slot in
    let key = keys.row(slot)
    return (0..<query.count).reduce(0.0) { $0 + Double(query[$1]) * Double(key[$1]) }
  }
}

/// The positions of the six keys with the largest product.
private func strongestKeys(_ query: Span<Float>, in cache: KVHead) -> [Int] {
  let products = products(query, cache)
  return products.indices.sorted { products[$0] > products[$1] }.prefix(6)
    .map { cache.position(ofSlot: $0) }
}

/// Sinks and a window with positions counted in the cache; wrong on purpose where it says that its logits are dense.
struct RelativePositions: AttentionStrategy {
  struct Configuration: Codable, Hashable, Sendable {
    var lies: Bool
  }

  static let description = StrategyDescription(
    name: "relative-positions", summary: "", phases: [.prefill, .decode], parameters: [],
    fidelity: .own, source: "")

  let logitsAreDense: Bool
  let cachePositions: CachePositions? = CachePositions(
    sinks: 2, localWindow: 6, actsInPrefill: true)

  init(_ configuration: Configuration, for shape: AttentionShape) throws(ConfigurationError) {
    logitsAreDense = configuration.lies || shape.geometry[0].rotary == nil
  }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) { select(&selections) }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) { select(&selections) }

  private func select(_ selections: inout HeadSelections) {
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 5))
      selections[head].keep(0..<2)
    }
  }
}
