import Records
import Tensors

/// DuoAttention: some KV heads (retrieval heads) keep everything, the others (streaming heads)
/// sinks and a window.
///
/// Xiao et al. 2024, arXiv 2410.10819; repository mit-han-lab/duo-attention. `sinks` and
/// `localWindow`, the current token included, are its sink and recent sizes (128 and 256 of its
/// shipped Llama 3.1 pattern); between queries a streaming head holds one recent token fewer, which
/// is what the next query sees. `sparsity` is the share of streaming heads (0.5 where query heads
/// share keys): those with the lowest scores among the KV heads of all layers, the earlier on ties.
/// `heads` lists a score for each KV head, layer after layer; if all scores are 0 or 1 they are
/// roles (1 keeps everything) and `sparsity` is ignored. Streaming heads are sparse in the prompt
/// pass too, as the original deploys them; `prefill: false` gives a dense prompt pass and eviction
/// after it, which is kvpress's.
///
/// Deviation: the original trains a gate for each head. Without `heads`, calibration computes
/// scores without training, by kvpress's substitute (`presses/duo_attention_press.py`,
/// `duo_attention_on_the_fly`): mean query and mean key of each head before rotation, both repeated
/// over 500 positions and rotated; the score is the mean of the cumulative sum of the last query's
/// attention, which is high where attention reaches far back, averaged over a KV head's query
/// heads. kvpress uses 50 chapters of BookSum, this one passage of `calibrationCorpus`.
public struct DuoAttention: SelectsInPrefill, SelectsInDecode, Retains {
  public static let about = StrategyFacts(
    "duo-attention",
    "Some KV heads keep everything, the others the first tokens and the most recent ones.",
    .simplified, source: "Xiao et al. 2024, arXiv 2410.10819; github.com/mit-han-lab/duo-attention")

  @Parameter("first tokens that a streaming head keeps", 0...) public var sinks = 128
  @Parameter("most recent tokens that a streaming head attends to, the current one included", 1...)
  public var localWindow = 256
  @Parameter("share of streaming heads among all layers' KV heads", 0...1)
  public var sparsity = 0.5
  @Parameter(
    "streaming heads are sparse in the prompt pass too; false: a dense one, eviction after it")
  public var prefill = true
  @Parameter("a shipped corpus by name, or a text file") public var calibrationCorpus = "emma"
  @Parameter("tokens of the calibration pass; by default 2048, at most the model's context", 2...)
  public var calibrationLength: Int? = nil
  @Parameter(
    "a score for each KV head, layer after layer, or 1 (keeps everything) and 0; by default from calibration",
    0...1)
  public var heads: [Double]? = nil

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    try HeadValues.ofKVHeads("score", shape).check(heads, "heads", layers: shape.layers)
  }

  public struct State: StrategyState {
    /// By KV head of the layer.
    let isStreaming: [Bool]
    public var cacheBytes: Int { 0 }
  }

  public func makeState(layer: Int, shape: AttentionShape) -> State {
    let first = layer * shape.kvHeads
    return State(isStreaming: Array(streamingHeads[first..<first + shape.kvHeads]))
  }

  private var streamed: FirstAndRecent { FirstAndRecent(first: sinks, recent: localWindow) }

  /// By layer and KV head.
  private var streamingHeads: [Bool] {
    let scores = heads ?? []
    if scores.allSatisfy({ $0 == 0 || $0 == 1 }) { return scores.map { $0 == 0 } }
    let lowest = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
    let count = Int((sparsity * Double(scores.count)).rounded(.toNearestOrEven))
    var isStreaming = [Bool](repeating: false, count: scores.count)
    for head in lowest.prefix(count) { isStreaming[head] = true }
    return isStreaming
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout State
  ) {
    if prefill { selectForDecode(layer, into: &selections, state: &state) }
  }

  /// One selection with a sliding window serves any number of steps; what has left the window
  /// leaves the cache at the next retention.
  public func queriesDecodedTogether(from position: Int) -> Int { HeadCache.pageTokens }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout State
  ) {
    for head in 0..<selections.count where state.isStreaming[layer.shape.kvHead(of: head)] {
      selections[head] = streamed.attended
    }
  }

  public var coldTokens: ColdTokens { .alike }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    streamed.leavesOut(before: position)
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout State
  ) {
    for kvHead in 0..<kept.count where state.isStreaming[kvHead] {
      kept[kvHead] = streamed.kept
    }
  }
}
