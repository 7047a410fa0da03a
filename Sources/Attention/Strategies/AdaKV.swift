import Records

/// Ada-SnapKV: SnapKV whose KV heads share a layer's budget by what their scores are worth.
///
/// Feng et al. 2024, arXiv 2407.11550; repositories FFY0/AdaKV (`snapkv_utils.py`,
/// `AdaptiveSnapKVCluster`) and NVIDIA/kvpress (`presses/adakv_press.py`). Scores are SnapKV's, of
/// each KV head: the mean over the last w = `observationWindow` queries, combined over the query
/// heads of its group, then pooled. With a budget of C tokens, the mean over a layer's G KV heads,
/// each head keeps the window and some c_h of the others, the best by score, G (C − w) in all. How
/// many, `allocation` says; α is `floorFraction`:
///
/// - `protected` (kvpress): each head is guaranteed its ⌊αC⌋ best tokens, including the window; the
///   rest of the budget goes to the best scores of the layer, whichever head they are in.
/// - `mixed` (the original): with c_h the tokens of head h among the G (C − w) best scores of the
///   layer, it gets (1 − α) c_h + α (C − w). The original rounds each, which may add up to more
///   than the budget; here the parts are rounded down and the tokens left over go to the largest
///   remainders.
///
/// `normalize` multiplies the scores of a head by the share that its C − w best have of their sum,
/// before heads are compared. The caches are ragged: each head holds exactly as many tokens as it
/// was given. The defaults are kvpress's (w 64, kernel 5, average, α 0.2). The original's runs:
/// `observationWindow` 32, `kernel` 7, `pooling` maximum, `allocation` mixed, and α 0.5 (0.2 is
/// suggested where query heads share keys, as here). Generated tokens stay.
public struct AdaKV: Scorer {
  public typealias Allocation = HeadShares.Allocation

  public static let about = StrategyFacts(
    "adakv", "SnapKV whose KV heads share a layer's budget by what their scores are worth.",
    .faithful, source: "Feng et al. 2024, arXiv 2407.11550; github.com/FFY0/AdaKV")

  public var window = ObservedWindow(first: .aggregation)
  @Parameter(
    "protected: a floor for each head, the rest to the layer's best scores; mixed: each head's share of them, drawn towards equal shares"
  )
  public var allocation = Allocation.protected
  @Parameter("share of the mean budget that every head has in any case; 1: all heads alike", 0...1)
  public var floorFraction = 0.2
  @Parameter("heads are compared by scores scaled with the share that their best tokens have")
  public var normalize = false

  public init() {}

  private enum CodingKeys: CodingKey { case allocation, floorFraction, normalize }

  public init(from decoder: any Decoder) throws {
    window = try ObservedWindow(from: decoder)
    window.first = .aggregation
    let members = try decoder.container(keyedBy: CodingKeys.self)
    allocation = try members.decode(Allocation.self, forKey: .allocation)
    floorFraction = try members.decode(Double.self, forKey: .floorFraction)
    normalize = try members.decode(Bool.self, forKey: .normalize)
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { window.forcedTokens }

  public var observedQueries: Int { window.observationWindow }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    window.scores(layer, kvHead: kvHead)
  }

  public func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int] {
    let sharing = HeadShares(
      allocation: allocation, floorFraction: floorFraction, normalize: normalize)
    return sharing.counts(
      of: capacity - forced, besideForced: forced, scores.map { $0.dropLast(forced) }
    ).map { $0 + forced }
  }
}
