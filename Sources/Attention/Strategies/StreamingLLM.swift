import Records
import Tensors

/// StreamingLLM: attention sinks and a window of recent tokens; the middle is evicted.
///
/// Xiao et al. 2023, arXiv 2309.17453; repository mit-han-lab/streaming-llm
/// (`streaming_llm/kv_cache.py`). `sinks` is the repository's `start_size` (4), `localWindow` its
/// `recent_size` (512), the current token included, as where it makes room for a token that is to
/// come (`evict_for_space`). What the next query does not see is not kept for it: between queries
/// the window is one token smaller.
///
/// `positions` cacheRelative is the repository's: keys are at 0, 1, … in the cache, the query at
/// its end, and the logits differ from the dense ones. The default, absolute, is what most
/// re-implementations do.
///
/// The repository's perplexity script (`examples/eval_long_ppl.py`) evicts after a token has
/// attended instead, so that each query sees `recent_size` tokens beside its own: a `localWindow` of
/// `recent_size` + 1 gives that.
///
/// Deviations: the default of `positions`; and the prompt is attended under the same rule in one
/// pass, where the script goes token by token (`prefill: false` gives a dense prompt pass at the true
/// positions and eviction after it).
public struct StreamingLLM: SelectsInPrefill, SelectsInDecode, Retains, Budgeted {
  /// Where queries see keys.
  public enum Positions: String, ParameterChoice {
    /// At the positions that the keys were written with.
    case absolute
    /// At the slots of the cache.
    case cacheRelative
  }

  public static let about = StrategyFacts(
    "streaming-llm",
    "The first tokens (attention sinks) and the most recent ones; the middle is evicted.",
    .simplified, source: "Xiao et al. 2023, arXiv 2309.17453; github.com/mit-han-lab/streaming-llm",
    budgets: [.fraction, .tokens, .bytes, .meanKvBytes, .density, .matching])

  @Parameter("first tokens always kept", 0...) public var sinks = 4
  @Parameter(
    "most recent tokens that a query attends to, its own included; a budget replaces it", 1...,
    isReplacedByBudget: true)
  public var localWindow = 512
  @Parameter(
    "prompt queries see sinks and window only; false: a dense prompt pass, eviction after it")
  public var prefill = true
  @Parameter(
    "where queries see keys: where they were written, or at the slots of the cache as the original does"
  )
  public var positions = Positions.absolute
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    if case .mass(let mass) = budget {
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: streaming-llm does not look at attention; use fraction, tokens, bytes, meanKvBytes, density or matching"
      )
    }
  }

  /// A budget is what a query attends to, and so what is held while it does, its own token included:
  /// shared by sinks and window, of which at least that token stays.
  private var seen: FirstAndRecent {
    let capacity =
      switch budget {
      case .tokens(let tokens): min(tokens, largestSize)
      // A density of 1 sets no limit, in decode either.
      case .density(let density, let promptTokens):
        density >= 1
          ? largestSize : Share.tokensSeen(density: density, promptTokens: promptTokens)
      case nil, .mass: sinks + localWindow
      }
    let first = min(sinks, max(0, capacity - 1))
    return FirstAndRecent(first: first, recent: max(1, capacity - first))
  }

  public var cachePositions: CachePositions? {
    positions == .absolute
      ? nil
      : CachePositions(sinks: seen.first, localWindow: seen.recent, actsInPrefill: prefill)
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState
  ) {
    if prefill { selections.fill(with: seen.attended) }
  }

  /// Steps share one selection with a sliding window, so any number may be taken together; what has
  /// left the window leaves the cache at the next retention.
  public func queriesDecodedTogether(from position: Int) -> Int { HeadCache.pageTokens }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState
  ) {
    selections.fill(with: seen.attended)
  }

  public var coldTokens: ColdTokens { .alike }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    seen.leavesOut(before: position)
  }

  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? {
    Retention.sliding(seen.keptCount, atStep: step, afterPrompt: promptTokens)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState
  ) {
    kept.fill(with: seen.kept)
  }
}
