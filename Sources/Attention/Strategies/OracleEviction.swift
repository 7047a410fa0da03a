import Records
import Tensors

/// An oracle: one selection after the prompt, of the tokens that the queries to come attend to
/// most.
///
/// For each KV head it keeps the prompt tokens with the largest attention weight, summed over all
/// queries after the prompt and the query heads of the group, as a run with full attention shows
/// them. No other choice of as many tokens, made once after the prompt, retains more of those
/// queries' mass (in the `isolated` setting, where the queries are the same): what it loses is the
/// price of evicting that much, and a method's distance to it is the price of not knowing the
/// future. It is not a method, and costs a run of its own.
///
/// `scope` says among whom a budget is shared: each KV head has it (as in SnapKV), the KV heads of
/// a layer share it (as in AdaKV), or all KV heads of the model do. The newest token of the prompt
/// always stays, inside the budget; on equal weights the earlier token does. Generated tokens stay.
///
/// Where the continuation is not given (questions), its queries are those of the late tokens and of
/// the answer that full attention gives.
public struct OracleEviction: Retains, ReadsFuture, Budgeted {
  public enum Scope: String, ParameterChoice { case head, layer, model }

  public static let about = StrategyFacts(
    "oracle-eviction",
    "An oracle that reads the future: the cache keeps what later queries attend to most.", .oracle,
    role: .oracle,
    source: "no paper: the best single selection in hindsight", budgets: Retention.budgetForms)

  @Parameter(
    "who shares a budget: head: each KV head has its own; layer: the KV heads of a layer; model: all KV heads"
  )
  public var scope = Scope.head
  @Parameter(Retention.fractionSummary, 0...1, isReplacedByBudget: true)
  public var retainedFraction = 0.5
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try Retention.check(budget, of: Self.about.name)
  }

  public struct State: StrategyState {
    /// By KV head, for the prompt that it was told about; empty before.
    var kept: [Selection] = []
    var promptTokens = 0
    public var cacheBytes: Int { kept.heldBytes }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  public func states(foreseeing future: FutureAttention, shape: AttentionShape) -> [State] {
    selections(future).map { State(kept: $0, promptTokens: future.promptTokens) }
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? {
    let kept = Retention.tokens(budget, retainedFraction, ofPrompt: promptTokens)
    return Double(min(promptTokens, kept) + step)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    guard layer.phase == .prefill else { return }
    precondition(
      state.promptTokens == layer.newestQuery + 1,
      "OracleEviction: a prompt of \(layer.newestQuery + 1) tokens, told of one of \(state.promptTokens)"
    )
    kept.selections = state.kept
  }

  /// The best of each scope; the newest token of each head comes first.
  private func selections(_ future: FutureAttention) -> [[Selection]] {
    let count = future.promptTokens
    let kvHeads = future.masses.first?.count ?? 0
    let capacity = Retention.tokens(budget, retainedFraction, ofPrompt: count)
    guard capacity < count else {
      return future.masses.map { $0.map { _ in .everything } }
    }
    // Heads are numbered layer by layer, tokens head by head.
    let heads = future.masses.flatMap { $0 }
    let together =
      switch scope {
      case .head: 1
      case .layer: kvHeads
      case .model: heads.count
      }
    var keeps = [Bool](repeating: false, count: heads.count * count)
    for first in stride(from: 0, to: heads.count, by: together) {
      var ranks: [ScoreRank] = []
      for head in first..<first + together {
        for token in 0..<count - 1 {
          ranks.append(ScoreRank(score: Float(heads[head][token]), index: head * count + token))
        }
        keeps[head * count + count - 1] = true
      }
      let wanted = together * (capacity - 1)
      ranks.moveLargestToFront(wanted)
      for rank in ranks.prefix(wanted) { keeps[rank.index] = true }
    }
    return future.masses.indices.map { layer in
      (0..<kvHeads).map { kvHead in
        let start = (layer * kvHeads + kvHead) * count
        return Selection(positions: 0..<count) { keeps[start + $0] }
      }
    }
  }
}
