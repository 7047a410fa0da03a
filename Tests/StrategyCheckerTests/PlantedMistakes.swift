import Attention
import Foundation
import Records
import Synchronization
import Tensors

/// Gives fewer scores than there are tokens.
struct TooFewScores: Scorer {
  static let about = fixture("too-few-scores")

  func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.keyNorms(ofKVHead: kvHead).dropLast().map { Float($0) }
  }
}

/// Makes a selection for each KV head where one for each query head is asked for.
struct TooFewSelections: SelectsInDecode {
  static let about = fixture("too-few-selections")

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    selections.selections = layer.forEachKVHead { _ in Selection(window: LocalWindow(width: 8)) }
  }
}

/// Takes the logarithm of what may be negative.
struct NotANumber: Scorer {
  static let about = fixture("not-a-number")

  func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.cosinesToMeanKey(ofKVHead: kvHead).map { Float(log($0)) }
  }
}

/// Chooses keys for each block of queries by the prompt's last query, and does not declare it.
struct PeekingAhead: SelectsInPrefill {
  static let about = fixture("peeking-ahead")

  var prefillGranularity: PrefillGranularity { .queryBlock(of: 16, from: .firstToken) }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 4))
      for position in strongestKeys(layer, head: head) { selections[head].keep(position) }
    }
  }
}

/// Looks ahead where a size is given that else is worked out.
struct PeekingIfTold: SelectsInPrefill {
  static let about = fixture("peeking-if-told")
  @Parameter("tokens; by default none", 1...) var width: Int? = nil

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    if width != nil {
      PeekingAhead().selectForPrefill(layer, queries: queries, into: &selections, state: &state)
    }
  }

  var prefillGranularity: PrefillGranularity { PeekingAhead().prefillGranularity }
}

/// Says that it looks ahead, and has a window only.
struct FalselyLookingAhead: SelectsInPrefill {
  static let about = fixture("falsely-looking-ahead")

  var selectionLooksAhead: Bool { true }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    selections.fill(with: Selection(window: LocalWindow(width: 8)))
  }
}

/// Allows decode steps to be taken together although each has a selection of its own: those of the first go by the
/// query of the last.
struct HastyDecoding: SelectsInDecode {
  static let about = fixture("hasty-decoding")

  func queriesDecodedTogether(from position: Int) -> Int { 4 }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    for head in 0..<selections.count {
      selections[head] = Selection(window: LocalWindow(width: 6))
      for position in strongestKeys(layer, head: head) { selections[head].keep(position) }
    }
  }
}

/// Says how it would evict, but not that it does.
struct ForgottenCapability: AttentionStrategy {
  static let about = fixture("forgotten-capability")

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState
  ) {
    kept.fill(with: Selection(window: LocalWindow(width: 30)))
  }
}

/// Has a capability that it makes nothing of.
struct IdleCapability: SelectsInPrefill, SelectsInDecode {
  static let about = fixture("idle-capability")

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    selections.fill(with: Selection(window: LocalWindow(width: 8)))
  }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {}
}

/// Frees the memory of the cache itself.
struct EvictingItself: SelectsInDecode {
  static let about = fixture("evicting-itself")

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    let recent = Selection(window: LocalWindow(width: 30))
    for head in layer.heads { head.retain(recent, newestQuery: layer.newestQuery) }
    selections.fill(with: Selection(window: LocalWindow(width: 20)))
  }
}

/// Keeps twice its budget.
struct OverBudget: Retains, Budgeted {
  static let about = fixture("over-budget", budgets: [.fraction, .tokens])

  var budget: Budget?

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState
  ) {
    let tokens = if case .tokens(let tokens) = budget { tokens } else { 8 }
    kept.fill(with: Selection(window: LocalWindow(width: 2 * tokens - 1)))
  }
}

/// Says which budgets it accepts, and has no place for one.
struct DeafToBudgets: Retains {
  static let about = fixture("deaf-to-budgets", budgets: [.tokens])

  func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState
  ) {
    if layer.newestQuery > 150 { kept.fill(with: Selection(window: LocalWindow(width: 150))) }
  }
}

/// Remembers its choices of the prompt, and counts nothing of it.
struct UncountedChoices: Observes, SelectsInDecode {
  static let about = fixture("uncounted-choices")

  struct State: StrategyState {
    var importance: [[Float]] = []
    var cacheBytes: Int { 0 }
  }

  func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  func observe(_ layer: LayerView, state: inout State) {
    guard layer.phase == .prefill else { return }
    state.importance = layer.forEachQueryHead { layer.softmaxRow(ofHead: $0) }
  }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    selections.fill(with: Selection(window: LocalWindow(width: 8)))
  }
}

/// Takes a note of each decode step, one byte a token, deep inside its state.
struct UncountedNotes: SelectsInDecode {
  static let about = fixture("uncounted-notes")

  struct Note: Sendable {
    var steps: Set<UInt8> = []
    var byStep: [Int: [UInt8]] = [:]
  }

  struct State: StrategyState {
    var note: Note? = Note()
    var cacheBytes: Int { 0 }
  }

  func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    state.note?.byStep[0, default: []].append(1)
    selections.fill(with: Selection(window: LocalWindow(width: 8)))
  }
}

/// Chooses again what it chose the time before, in the last sequence, layer or head.
struct Carrying<Place: CarryingPlace>: SelectsInPrefill {
  static var about: StrategyFacts { fixture("carrying") }

  /// Objects that a strategy holds are shared by all its sequences.
  private let memory = CarriedChoices()

  private enum CodingKeys: CodingKey {}

  var selectionLooksAhead: Bool { true }

  func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    let memory = Place.isGlobal ? carriedByAll : memory
    let remembered = memory.keys.withLock { $0[layer.layer - Place.layersBack] ?? [] }
    var chosen: [[Int]] = []
    for head in 0..<selections.count {
      let carried = Place.isNextHead ? chosen.last : remembered.dropFirst(head).first
      chosen.append(strongestKeys(layer, head: head))
      selections[head] = Selection(window: LocalWindow(width: 4))
      for position in chosen[head] + (carried ?? []) { selections[head].keep(position) }
    }
    memory.keys.withLock { $0[layer.layer] = chosen }
  }
}

/// Where what was chosen turns up again.
protocol CarryingPlace: Sendable {
  static var layersBack: Int { get }
  static var isNextHead: Bool { get }
  static var isGlobal: Bool { get }
}

extension CarryingPlace {
  static var layersBack: Int { 0 }
  static var isNextHead: Bool { false }
  static var isGlobal: Bool { false }
}

enum NextSequence: CarryingPlace {}
enum AnySequence: CarryingPlace { static var isGlobal: Bool { true } }
enum NextLayer: CarryingPlace { static var layersBack: Int { 1 } }
enum NextHead: CarryingPlace { static var isNextHead: Bool { true } }

/// By layer and query head.
private final class CarriedChoices: Sendable, Hashable {
  let keys = Mutex<[Int: [[Int]]]>([:])

  static func == (left: CarriedChoices, right: CarriedChoices) -> Bool { left === right }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

private let carriedByAll = CarriedChoices()

/// Draws from the system's random numbers.
struct Unseeded: SelectsInDecode {
  static let about = fixture("unseeded")

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    selections.fill(with: Selection(window: LocalWindow(width: .random(in: 4..<12))))
  }
}

/// Leaves out the oldest token however large its window is.
struct LosingTheFirst: SelectsInDecode {
  static let about = fixture("losing-the-first")

  @Parameter("most recent tokens", 1...) var localWindow = 64

  func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    let width = min(localWindow, layer.newestQuery) - 1
    selections.fill(with: Selection(window: LocalWindow(width: max(0, width))))
  }
}
