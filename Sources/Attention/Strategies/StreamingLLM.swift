import Records
import Tensors

/// StreamingLLM: attention sinks and a window of recent tokens; the middle is evicted.
///
/// Xiao et al. 2023, arXiv 2309.17453; repository mit-han-lab/streaming-llm (`streaming_llm/kv_cache.py`).
/// `sinks` is the repository's `start_size` (4), `localWindow` its `recent_size` (512), the current token included.
///
/// `positions` cacheRelative is the repository's: keys stand at 0, 1, … of the cache, and the query at its end. Then the
/// logits are not the dense ones. The default, absolute, is what most re-implementations do.
///
/// Deviations: the default of `positions`; and the prompt is attended under the same rule in one pass, which is what the
/// repository's perplexity script does token by token (`prefill: false` gives a dense prompt pass at the true positions
/// and eviction after it).
public struct StreamingLLM: AttentionStrategy {
  /// Where queries see keys.
  public enum Positions: String, Codable, Hashable, Sendable, CaseIterable {
    /// At the positions that the keys were written with.
    case absolute
    /// At the slots of the cache.
    case cacheRelative
  }

  public struct Configuration: Codable, Hashable, Sendable {
    public var sinks: Int
    public var localWindow: Int
    public var prefill: Bool
    public var positions: Positions
    public var budget: Budget?

    public init(
      sinks: Int = 4, localWindow: Int = 512, prefill: Bool = true,
      positions: Positions = .absolute, budget: Budget? = nil
    ) {
      self.sinks = sinks
      self.localWindow = localWindow
      self.prefill = prefill
      self.positions = positions
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "streaming-llm",
    summary: "The first tokens (attention sinks) and the most recent ones; the middle is evicted.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(4),
        "first tokens always kept"),
      ParameterDescription(
        "localWindow", .integer(minimum: 1, maximum: largestSize), default: .integer(512),
        "most recent tokens kept, the current one included; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "prefill", .boolean, default: .boolean(true),
        "prompt queries see sinks and window only; false: a dense prompt pass, eviction after it"),
      ParameterDescription(
        "positions", .choice(Positions.allCases.map(\.rawValue)), default: .string("absolute"),
        "where queries see keys: where they were written, or at the slots of the cache as the original does"
      ),
    ],
    budgets: [.fraction, .tokens, .bytes, .density, .matching],
    fidelity: .simplified,
    source: "Xiao et al. 2023, arXiv 2309.17453; github.com/mit-han-lab/streaming-llm")

  private let sinks: Int
  private let localWindow: Int
  private let sparsifiesPrefill: Bool
  public let cachePositions: CachePositions?

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    sparsifiesPrefill = configuration.prefill
    guard configuration.sinks >= 0 else {
      throw ConfigurationError("sinks", "\(configuration.sinks) is too small; use at least 0")
    }
    guard configuration.localWindow >= 1 else {
      throw ConfigurationError(
        "localWindow", "\(configuration.localWindow) is too small; use at least 1")
    }
    let wanted = min(configuration.sinks, Self.largestSize)
    let capacity: Int
    switch configuration.budget {
    case nil: capacity = wanted + min(configuration.localWindow, Self.largestSize)
    case .tokens(let tokens): capacity = min(tokens, Self.largestSize)
    case .density(let density, let promptTokens):
      // A density of 1 is no bound, in decode neither.
      capacity =
        density >= 1
        ? 1 << 30 : Self.capacity(density: density, promptTokens: promptTokens)
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: streaming-llm does not look at attention; use fraction, tokens, bytes, density or matching"
      )
    }
    // A budget is shared by both; at least the current token stays.
    sinks = min(wanted, max(0, capacity - 1))
    localWindow = max(1, capacity - sinks)
    // Without a rotation all positions are alike.
    cachePositions =
      configuration.positions == .cacheRelative && shape.geometry.contains { $0.rotary != nil }
      ? CachePositions(
        sinks: sinks, localWindow: localWindow, actsInPrefill: configuration.prefill) : nil
  }

  /// More tokens than a model takes, and few enough to add up.
  private static let largestSize = 1 << 30

  /// The most tokens that a query may see so that the share of causal pairs does not exceed `density`; at least 1.
  static func capacity(density: Double, promptTokens: Int) -> Int {
    func pairs(_ capacity: Int) -> Double {
      let ramp = Double(capacity) * Double(capacity + 1) / 2
      return ramp + Double(promptTokens - capacity) * Double(capacity)
    }
    let causal = Double(promptTokens) * Double(promptTokens + 1) / 2
    var low = 1
    var high = max(1, promptTokens)
    while low < high {
      let middle = (low + high + 1) / 2
      if pairs(middle) <= density * causal { low = middle } else { high = middle - 1 }
    }
    return low
  }

  public var logitsAreDense: Bool { cachePositions == nil }

  private var selection: Selection {
    var selection = Selection(window: LocalWindow(width: localWindow - 1))
    selection.keep(0..<sinks)
    return selection
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    guard sparsifiesPrefill else { return }
    keep(in: &selections)
  }

  /// Steps share one selection whose window slides, so any number may be taken together; what has slid out of sight
  /// leaves the cache at the next retention.
  public func queriesDecodedTogether(from position: Int) -> Int { KVHead.pageTokens }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    keep(in: &selections)
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    position > sinks + localWindow
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    keep(in: &kept)
  }

  private func keep(in selections: inout HeadSelections) {
    let selection = selection
    for head in 0..<selections.count { selections[head] = selection }
  }
}
