import Records
import Tensors

/// An oracle: one selection after the prompt, of the tokens that the queries to come attend to most.
///
/// For each KV head it keeps the prompt tokens with the largest attention weight, summed over all queries after the prompt
/// and the query heads of the group, as a run with full attention shows them. No other choice made once after the prompt, of as
/// many tokens, retains more of those queries' mass (in the `isolated` setting, where the queries are the same ones): what is
/// left is the price of evicting so much, and the distance to it the price of a method's ignorance. It reads the
/// future, so it is no method; it costs a run of its own.
///
/// `scope` says among whom a budget is shared: each KV head has it (as in SnapKV), the KV heads of a layer share it (as in
/// AdaKV), or all KV heads of the model do. The newest token of the prompt always stays, inside the budget; of equal weights the earlier
/// token does. Generated tokens stay.
///
/// Where the continuation is not given (questions), its queries are those of the late tokens and of the answer that full attention
/// gives.
public struct OracleEviction: AttentionStrategy {
  public enum Scope: String, Codable, Hashable, Sendable, CaseIterable {
    case head, layer, model
  }

  public struct Configuration: Codable, Hashable, Sendable {
    public var scope: Scope
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      scope: Scope = .head, retainedFraction: Double = RetentionBudget.defaultFraction,
      budget: Budget? = nil
    ) {
      self.scope = scope
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "oracle-eviction",
    summary: "An oracle that reads the future: the cache keeps what later queries attend to most.",
    role: .oracle, phases: [.retention],
    parameters: [
      ParameterDescription(
        "scope", .choice(Scope.allCases.map(\.rawValue)), default: .string("head"),
        "who shares a budget: head: each KV head has its own; layer: the KV heads of a layer; model: all KV heads"
      ),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, readsFuture: true, fidelity: .own,
    source: "no paper: the best single selection in hindsight")

  private let budget: RetentionBudget
  private let scope: Scope
  /// By layer and KV head, for the prompt that it was told about; empty before.
  private var kept: [[Selection]] = []
  private var promptTokens = 0

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction,
      of: Self.description.name)
    scope = configuration.scope
  }

  public func reading(_ future: FutureAttention) -> OracleEviction {
    var oracle = self
    oracle.promptTokens = future.promptTokens
    oracle.kept = oracle.selections(future)
    return oracle
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    phase == .prefill
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    guard layer.phase == .prefill else { return }
    precondition(
      promptTokens == layer.newestQuery + 1,
      "OracleEviction: a prompt of \(layer.newestQuery + 1) tokens, told of one of \(promptTokens)")
    kept.selections = self.kept[layer.layer]
  }

  /// The best of each scope; the newest token of each head comes first.
  private func selections(_ future: FutureAttention) -> [[Selection]] {
    let count = future.promptTokens
    let kvHeads = future.masses.first?.count ?? 0
    let capacity = budget.tokens(ofPrompt: count)
    guard capacity < count else {
      return future.masses.map { $0.map { _ in .everything } }
    }
    // A head is counted layer by layer; a token of it, head by head.
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
        var selection = Selection()
        for token in 0..<count where keeps[start + token] { selection.keep(token) }
        return selection
      }
    }
  }
}
