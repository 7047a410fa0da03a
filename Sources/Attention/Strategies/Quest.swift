import Records
import Synchronization
import Tensors

/// Quest: a decode query attends to the pages of the cache that could matter most to it; nothing is evicted.
///
/// Tang et al. 2024, arXiv 2406.10774; repository mit-han-lab/Quest (`evaluation/quest_attention.py`). For each page of
/// `pageSize` tokens the smallest m and largest M of every channel of its cached, rotated keys bound the logits that a
/// query q can meet there: Σ_d max(q_d m_d, q_d M_d). Each query head attends exactly to the max(3, ⌊tokenBudget /
/// pageSize⌋) pages with the largest bound. The prompt is dense, and so are the first `denseLayers` layers, unless the
/// model has no more than those.
///
/// Where the repository's parts differ: the current page is always one of the pages, as in its CUDA path; the Python
/// path does not force it. A `budget` is kept strictly in the layers that are not dense: ⌊budget / pageSize⌋ pages
/// without the least of three; one smaller than a page is a window. The bounds, two numbers a channel for `pageSize` keys,
/// are part of the cache's bytes.
///
/// Where a composition has another strategy evict, pages are of the tokens that are held, each KV head's its own; their
/// bounds are worked out again when tokens have left.
public struct Quest: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var pageSize: Int
    public var tokenBudget: Int
    public var denseLayers: Int
    public var budget: Budget?

    public init(
      pageSize: Int = 16, tokenBudget: Int = 1024, denseLayers: Int = 2, budget: Budget? = nil
    ) {
      self.pageSize = pageSize
      self.tokenBudget = tokenBudget
      self.denseLayers = denseLayers
      self.budget = budget
    }
  }

  public struct State: Sendable {
    /// By KV head.
    var pages: [PageBounds]
  }

  public static let description = StrategyDescription(
    name: "quest",
    summary: "Decode queries attend to the pages whose keys could matter most; nothing is evicted.",
    phases: [.decode],
    parameters: [
      ParameterDescription(
        "pageSize", .integer(minimum: 1, maximum: largestSize), default: .integer(16),
        "tokens of a page"),
      ParameterDescription(
        "tokenBudget", .integer(minimum: 1, maximum: largestSize), default: .integer(1024),
        "tokens that a query attends to, in whole pages, at least 3 of them; a budget replaces it",
        isReplacedByBudget: true),
      ParameterDescription(
        "denseLayers", .integer(minimum: 0, maximum: largestSize), default: .integer(2),
        "first layers that attend to everything, where the model has more layers than these"),
    ],
    budgets: [.fraction, .tokens, .matching], fidelity: .faithful,
    source: "Tang et al. 2024, arXiv 2406.10774; github.com/mit-han-lab/Quest")

  private let pageSize: Int
  /// Pages that a query attends to, the current one included; 0 where the budget is smaller than a page.
  private let pages: Int
  /// Tokens that a query may attend to.
  private let tokens: Int
  private let denseLayers: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    pageSize = try checkSize("pageSize", configuration.pageSize, atLeast: 1)
    let dense = try checkSize("denseLayers", configuration.denseLayers, atLeast: 0)
    denseLayers = shape.layers > dense ? dense : 0
    switch configuration.budget {
    case nil:
      let wanted = try checkSize("tokenBudget", configuration.tokenBudget, atLeast: 1)
      pages = max(3, wanted / pageSize)
      tokens = pages * pageSize
    case .tokens(let budget):
      tokens = min(max(1, budget), largestSize)
      pages = tokens / pageSize
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

  public func makeState(layer: Int) -> State { State(pages: []) }

  /// Dense; the bounds of the prompt's pages are worked out.
  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State, workspace: Workspace
  ) {
    if layer.layer >= denseLayers { update(&state, layer) }
  }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State,
    workspace: Workspace
  ) {
    guard layer.layer >= denseLayers else { return }
    update(&state, layer)
    guard layer.heads.contains(where: { $0.count > tokens }) else { return }
    let bounds = state.pages
    let chosen = Mutex(selections.selections)
    workspace.workers.run(count: layer.shape.queryHeads) { head, _ in
      let kvHead = layer.shape.kvHead(of: head)
      guard layer.heads[kvHead].count > tokens else { return }
      let selection = select(
        bounds[kvHead], of: layer.heads[kvHead],
        query: layer.query(head: head, at: layer.newestQuery))
      chosen.withLock { $0[head] = selection }
    }
    selections.selections = chosen.withLock { $0 }
  }

  private func update(_ state: inout State, _ layer: LayerView) {
    if state.pages.isEmpty {
      state.pages = Array(
        repeating: PageBounds(pageSize: pageSize, width: layer.shape.headDimension),
        count: layer.shape.kvHeads)
    }
    for (index, head) in layer.heads.enumerated() {
      state.pages[index].update(
        head.keys, lost: head.position(ofSlot: head.count - 1) + 1 - head.count)
    }
  }

  public func cacheBytes(of state: State) -> Int { state.pages.reduce(0) { $0 + $1.bytes } }

  private func select(_ bounds: PageBounds, of head: KVHead, query: Span<Float>) -> Selection {
    guard pages > 0 else { return Selection(window: LocalWindow(width: tokens - 1)) }
    let current = bounds.pageCount - 1
    var ranks = (0..<current).map { ScoreRank(score: bounds.bound(query, page: $0), index: $0) }
    let others = min(pages - 1, current)
    ranks.moveLargestToFront(others)
    var selection = Selection()
    for page in ranks.prefix(others).map(\.index).sorted() + [current] {
      let last = min((page + 1) * pageSize, head.count) - 1
      selection.keep(head.position(ofSlot: page * pageSize)..<head.position(ofSlot: last) + 1)
    }
    return selection
  }
}

/// The smallest and largest value of each channel in each page of one KV head's keys.
struct PageBounds: Sendable {
  let pageSize: Int
  let width: Int
  /// Keys taken in.
  private(set) var count = 0
  /// Tokens that had left the cache by then.
  private var lost = 0
  /// (pages x width).
  private var minima: [Float] = []
  private var maxima: [Float] = []

  init(pageSize: Int, width: Int) {
    self.pageSize = pageSize
    self.width = width
  }

  var pageCount: Int { (count + pageSize - 1) / pageSize }

  /// Bytes of both bounds.
  var bytes: Int { (minima.count + maxima.count) * MemoryLayout<Float>.size }

  /// Takes in the keys from the first that is not in yet; all of them where tokens have left since the last time.
  mutating func update(_ keys: Rows, lost: Int) {
    if lost != self.lost {
      self.lost = lost
      count = 0
      minima.removeAll(keepingCapacity: true)
      maxima.removeAll(keepingCapacity: true)
    }
    for token in min(count, keys.count)..<keys.count {
      let key = keys.row(token)
      if token % pageSize == 0 {
        for i in 0..<width {
          minima.append(key[i])
          maxima.append(key[i])
        }
      } else {
        let first = token / pageSize * width
        for i in 0..<width {
          minima[first + i] = min(minima[first + i], key[i])
          maxima[first + i] = max(maxima[first + i], key[i])
        }
      }
    }
    count = keys.count
  }

  /// Σ_d max(q_d m_d, q_d M_d): no key of the page has a larger product with the query.
  func bound(_ query: Span<Float>, page: Int) -> Float {
    let low = minima.span.extracting(page * width..<(page + 1) * width)
    let high = maxima.span.extracting(page * width..<(page + 1) * width)
    // Four sums, so that one addition need not wait for the one before.
    var (a, b, c, d): (Float, Float, Float, Float) = (0, 0, 0, 0)
    var i = 0
    while i + 4 <= width {
      a += max(query[i] * low[i], query[i] * high[i])
      b += max(query[i + 1] * low[i + 1], query[i + 1] * high[i + 1])
      c += max(query[i + 2] * low[i + 2], query[i + 2] * high[i + 2])
      d += max(query[i + 3] * low[i + 3], query[i + 3] * high[i + 3])
      i += 4
    }
    while i < width {
      a += max(query[i] * low[i], query[i] * high[i])
      i += 1
    }
    return (a + b) + (c + d)
  }
}
