import Attention
import Records
import Tensors

/// A decode query attends to what the prompt's last queries attended to, and to the most recent tokens.
public struct PromptMemory: Observes, SelectsInDecode, Budgeted {
  public static let about = StrategyFacts(
    "prompt-memory", "Decode queries attend to what the prompt's last queries attended to.", .own,
    source: "docs/tutorial.md", budgets: [.fraction, .tokens])

  @Parameter("last queries of the prompt whose attention is remembered", 1...)
  public var observationWindow = 32
  @Parameter(
    "tokens that a query attends to, half of them the most recent", 1..., isReplacedByBudget: true)
  public var attendedTokens = 256
  public var budget: Budget?

  public struct State: StrategyState {
    /// What is remembered of the prompt, and the window of recent tokens, by query head.
    var chosen: [Selection] = []
    public var cacheBytes: Int { chosen.heldBytes }
  }

  public init() {}

  public func makeState(layer: Int, shape: AttentionShape) -> State { State() }

  private var size: Int {
    if case .tokens(let tokens) = budget { tokens } else { attendedTokens }
  }

  public func observe(_ layer: LayerView, state: inout State) {
    guard layer.phase == .prefill else { return }
    let recent = (size + 1) / 2
    state.chosen = layer.forEachQueryHead { head in
      let attention = layer.meanSoftmaxRow(ofHead: head, lastQueries: observationWindow)
      var selection = Selection(window: LocalWindow(width: recent - 1))
      var ranking = KeyRanking()
      ranking.forMostImportant(size - recent, of: attention.span, in: attention.indices) { key in
        selection.keep(key)
      }
      return selection
    }
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    guard layer.newestQuery >= size, !state.chosen.isEmpty else { return }
    selections.selections = state.chosen
  }
}
