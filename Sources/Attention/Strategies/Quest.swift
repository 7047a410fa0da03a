import Records
import Tensors

/// Quest: a decode query attends to the pages of the cache that could matter most to it; nothing is
/// evicted.
///
/// Tang et al. 2024, arXiv 2406.10774; repository mit-han-lab/Quest
/// (`evaluation/quest_attention.py`). For each page of `pageSize` tokens the smallest m and largest
/// M of every channel of its rotated keys, as the cache held them when they came, bound the logits
/// that a query q can have there: Σ_d max(q_d m_d, q_d M_d). Each query head attends exactly to the
/// max(3, ⌊tokenBudget / pageSize⌋) pages with the largest bound. The prompt is dense, and so are the
/// first `denseLayers` layers, unless the model has no more than those.
///
/// Where the repository's parts differ: the current page is always one of the pages, as in its CUDA
/// path; the Python path does not force it. A `budget` is strict in the layers that are not dense:
/// ⌊budget / pageSize⌋ pages, without the minimum of three; a budget smaller than a page is a
/// window. With `countsDenseLayers` the budget is the mean over all layers, the dense ones among
/// them: the others attend to what those leave, or all layers alike where that is less than a page.
/// The bounds, two numbers a channel for `pageSize` keys, are part of the cache's bytes.
///
/// If another strategy of a composition evicts, pages consist of the tokens still held, for each KV
/// head its own; their bounds are recomputed when tokens have left. Tokens of a cold tier are in no
/// page, so it is refused beside one.
public struct Quest: Observes, SelectsInDecode, Budgeted {
  public static let about = StrategyFacts(
    "quest", "Decode queries attend to the pages whose keys could matter most; nothing is evicted.",
    .faithful, source: "Tang et al. 2024, arXiv 2406.10774; github.com/mit-han-lab/Quest",
    budgets: [.fraction, .tokens, .matching])

  @Parameter("tokens of a page", 1...) public var pageSize = 16
  @Parameter(
    "tokens that a query attends to, in whole pages, at least 3 of them; a budget replaces it",
    1..., isReplacedByBudget: true)
  public var tokenBudget = 1024
  @Parameter(
    "first layers that attend to everything, where the model has more layers than these", 0...)
  public var denseLayers = 2
  @Parameter(
    "a budget is the mean over all layers: the others attend to what the dense ones leave of it",
    isLeftOutAtDefault: true)
  public var countsDenseLayers = false
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    switch budget {
    case nil, .tokens: return
    case .density(let density, _):
      throw ConfigurationError(
        "budget",
        "a density of \(density): quest attends densely to the prompt, whose density this is; use fraction, tokens or matching (of kvBytes)"
      )
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: quest attends to a number of pages, not to a mass; use fraction, tokens or matching (of kvBytes)"
      )
    }
  }

  public struct State: StrategyState {
    /// By KV head; empty in a layer that is dense whatever the budget.
    var pages: [PageBounds]
    public var cacheBytes: Int { pages.reduce(0) { $0 + $1.bytes } }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    return State(
      pages: isDense(layer, shape) && !countsDenseLayers
        ? []
        : Array(
          repeating: PageBounds(pageSize: pageSize, width: shape.headDimension),
          count: shape.kvHeads))
  }

  private func isDense(_ layer: Int, _ shape: AttentionShape) -> Bool {
    shape.layers > denseLayers && layer < denseLayers
  }

  public func observe(_ layer: LayerView, state: inout State) {
    for kvHead in state.pages.indices { state.pages[kvHead].update(layer, kvHead: kvHead) }
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    guard let (pages, tokens) = attended(in: layer) else { return }
    guard !state.pages.isEmpty, layer.heads.contains(where: { $0.count > tokens }) else { return }
    let bounds = state.pages
    selections.selections = layer.forEachQueryHead { head in
      let kvHead = layer.shape.kvHead(of: head)
      guard layer.heads[kvHead].count > tokens else { return .everything }
      guard pages > 0 else { return Selection(window: LocalWindow(width: tokens - 1)) }
      return select(pages, bounds[kvHead], layer, head: head)
    }
  }

  /// Pages that a query attends to, the current one included (0 where the budget is smaller than a
  /// page), and tokens; nil for everything.
  private func attended(in layer: LayerView) -> (pages: Int, tokens: Int)? {
    guard case .tokens(let tokens) = budget else {
      let pages = max(3, tokenBudget / pageSize)
      return (pages, pages * pageSize)
    }
    var bounded = min(max(1, tokens), largestSize)
    let (layers, held) = (layer.shape.layers, layer.heads.map(\.count).max() ?? 0)
    if countsDenseLayers, layers > denseLayers, bounded < held {
      let rest = Share.rest(
        ofMean: bounded, layers: layers, exempt: denseLayers, holding: held)
      if rest >= pageSize {
        if isDense(layer.layer, layer.shape) { return nil }
        bounded = rest
      }
    }
    return (bounded / pageSize, bounded)
  }

  private func select(
    _ pages: Int, _ bounds: PageBounds, _ layer: LayerView, head: Int
  ) -> Selection {
    let cache = layer.heads[layer.shape.kvHead(of: head)]
    let current = bounds.pageCount - 1
    var ranks = (0..<current).map {
      ScoreRank(score: bounds.bound(layer, head: head, page: $0), index: $0)
    }
    let others = min(pages - 1, current)
    ranks.moveLargestToFront(others)
    var selection = Selection()
    for page in ranks.prefix(others).map(\.index).sorted() + [current] {
      let last = min((page + 1) * pageSize, cache.count) - 1
      selection.keep(cache.position(ofSlot: page * pageSize)..<cache.position(ofSlot: last) + 1)
    }
    return selection
  }
}
