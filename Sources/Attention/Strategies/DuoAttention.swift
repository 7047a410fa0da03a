import Records
import Tensors

/// DuoAttention: some KV heads (retrieval heads) keep everything, the others (streaming heads) sinks and a window.
///
/// Xiao et al. 2024, arXiv 2410.10819; repository mit-han-lab/duo-attention. `sinks` and `localWindow`, the current token
/// included, are its sink and recent sizes (128 and 256 of its shipped Llama 3.1 pattern), `sparsity` the share of
/// streaming heads (0.5 where query heads share keys): of all layers' KV heads those with the lowest scores, of equal
/// ones the earlier. `heads` lists a score for each KV head, layer after layer; scores that are all 0 or 1 are roles
/// (1 keeps everything), and `sparsity` does not count. Streaming heads are sparse in the prompt pass too, as the
/// original deploys them; `prefill: false` gives a dense prompt pass and eviction after it, which is kvpress's.
///
/// Deviation: the original trains a gate for each head. Without `heads` a calibration works scores out without training,
/// by kvpress's substitute (`presses/duo_attention_press.py`, `duo_attention_on_the_fly`): mean query and mean key of each
/// head before rotation, both repeated over 500 positions and rotated; of the last query's attention the mean of the
/// cumulative sum, which is high where attention reaches far back; the mean over a KV head's query heads. kvpress takes 50
/// chapters of BookSum, this one stretch of `calibrationCorpus`.
public struct DuoAttention: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var sinks: Int
    public var localWindow: Int
    public var sparsity: Double
    public var prefill: Bool
    public var calibrationCorpus: String
    public var calibrationLength: Int?
    /// A score for each KV head, layer after layer; nil until calibrated.
    public var heads: [Double]?

    public init(
      sinks: Int = 128, localWindow: Int = 256, sparsity: Double = 0.5, prefill: Bool = true,
      calibrationCorpus: String = "emma", calibrationLength: Int? = nil, heads: [Double]? = nil
    ) {
      self.sinks = sinks
      self.localWindow = localWindow
      self.sparsity = sparsity
      self.prefill = prefill
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.heads = heads
    }
  }

  public static let description = StrategyDescription(
    name: "duo-attention",
    summary: "Some KV heads keep everything, the others the first tokens and the most recent ones.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(128),
        "first tokens that a streaming head keeps"),
      ParameterDescription(
        "localWindow", .integer(minimum: 1, maximum: largestSize), default: .integer(256),
        "most recent tokens that a streaming head keeps, the current one included"),
      ParameterDescription(
        "sparsity", .number(minimum: 0, maximum: 1), default: .number(0.5),
        "share of streaming heads among all layers' KV heads"),
      ParameterDescription(
        "prefill", .boolean, default: .boolean(true),
        "streaming heads are sparse in the prompt pass too; false: a dense one, eviction after it"),
      ParameterDescription(
        "calibrationCorpus", .string, default: .string("emma"),
        "a shipped corpus by name, or a text file"),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: largestSize), default: .null,
        "tokens of the calibration pass; by default 2048, at most the model's context"),
      ParameterDescription(
        "heads", .list(of: .number(minimum: 0, maximum: 1)), default: .null,
        "a score for each KV head, layer after layer, or 1 (keeps everything) and 0; by default from calibration"
      ),
    ],
    fidelity: .simplified,
    source: "Xiao et al. 2024, arXiv 2410.10819; github.com/mit-han-lab/duo-attention")

  /// Tokens of the calibration pass where nothing is said.
  public static let defaultCalibrationLength = 2048

  private let sinks: Int
  private let localWindow: Int
  private let sparsifiesPrefill: Bool
  private let kvHeads: Int
  /// By layer and KV head.
  private let isStreaming: [Bool]

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    try Self.checkSizes(configuration)
    sinks = min(configuration.sinks, largestSize)
    localWindow = min(configuration.localWindow, largestSize)
    sparsifiesPrefill = configuration.prefill
    kvHeads = shape.kvHeads
    guard let scores = configuration.heads else {
      throw ConfigurationError(
        "heads", "not calibrated: run `tca-lab calibrate`, or list a score for each KV head")
    }
    let needed = shape.layers * shape.kvHeads
    guard scores.count == needed else {
      throw ConfigurationError(
        "heads",
        "\(scores.count) scores for \(shape.layers) layers x \(shape.kvHeads) KV heads; \(needed) are needed, layer after layer"
      )
    }
    if let wrong = scores.first(where: { !(0...1).contains($0) }) {
      throw ConfigurationError("heads", "score \(wrong) is out of range; use numbers from 0 to 1")
    }
    isStreaming = Self.streamingHeads(scores, sparsity: configuration.sparsity)
  }

  /// Throws unless sizes are in range: what can be said before calibration.
  public static func checkSizes(_ configuration: Configuration) throws(ConfigurationError) {
    _ = try checkSize("sinks", configuration.sinks, atLeast: 0)
    _ = try checkSize("localWindow", configuration.localWindow, atLeast: 1)
    _ = try checkSize("calibrationLength", configuration.calibrationLength ?? 2, atLeast: 2)
    guard (0...1).contains(configuration.sparsity) else {
      throw ConfigurationError(
        "sparsity", "\(configuration.sparsity) is out of range; use a number from 0 to 1")
    }
  }

  private static func streamingHeads(_ scores: [Double], sparsity: Double) -> [Bool] {
    if scores.allSatisfy({ $0 == 0 || $0 == 1 }) { return scores.map { $0 == 0 } }
    let lowest = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
    let count = Int((sparsity * Double(scores.count)).rounded(.toNearestOrEven))
    var isStreaming = [Bool](repeating: false, count: scores.count)
    for head in lowest.prefix(count) { isStreaming[head] = true }
    return isStreaming
  }

  private func isStreaming(layer: Int, kvHead: Int) -> Bool {
    isStreaming[layer * kvHeads + kvHead]
  }

  public func selectForPrefill(
    _ layer: LayerView, queries: Range<Int>, into selections: inout HeadSelections,
    state: inout NoState, workspace: Workspace
  ) {
    if sparsifiesPrefill { selectForQueries(layer, into: &selections) }
  }

  /// One selection whose window slides serves any number of steps; what has slid out of sight leaves at the next
  /// retention.
  public func queriesDecodedTogether(from position: Int) -> Int { KVHead.pageTokens }

  public func selectForDecode(
    _ layer: LayerView, into selections: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    selectForQueries(layer, into: &selections)
  }

  public func retentionIsDue(before position: Int, phase: AttentionPhase) -> Bool {
    position > sinks + localWindow
  }

  public func selectForRetention(
    _ layer: LayerView, into kept: inout HeadSelections, state: inout NoState,
    workspace: Workspace
  ) {
    for kvHead in 0..<kvHeads where isStreaming(layer: layer.layer, kvHead: kvHead) {
      kept[kvHead] = .firstAndRecent(sinks, localWindow)
    }
  }

  private func selectForQueries(_ layer: LayerView, into selections: inout HeadSelections) {
    for head in 0..<selections.count
    where isStreaming(layer: layer.layer, kvHead: layer.shape.kvHead(of: head)) {
      selections[head] = .firstAndRecent(sinks, localWindow)
    }
  }
}
