import Attention
import Tensors

/// The offline phase of `tca-plus`: on one dense pass, what the queries of each KV head keep of their attention if its
/// prompt selection holds a share of the tokens, for each share that there is.
///
/// Figures pool the (query head, query) pairs of a group with a non-empty evictable region.
public struct TCAPlusCalibrator: Calibrator {
  /// The parameters that decide the evidence; the threshold chooses from it afterwards.
  public struct Options: Codable, Hashable, Sendable {
    public var localWindow: Int
    public var sinks: Int
    public var importance: TCAPlus.Importance
    public var importanceQueries: Int

    init(_ strategy: TCAPlus) {
      localWindow = strategy.localWindow
      sinks = strategy.sinks
      importance = strategy.importance
      importanceQueries = strategy.importanceQueries
    }

    /// A strategy that selects as these options say.
    fileprivate var strategy: TCAPlus {
      TCAPlus {
        $0.localWindow = localWindow
        $0.sinks = sinks
        $0.importance = importance
        $0.importanceQueries = importanceQueries
      }
    }
  }

  private let options: Options
  private let shape: AttentionShape
  private var tokens = 0
  private var quantileMass: [[Double]] = []

  public init(_ options: Options, for shape: AttentionShape) {
    self.options = options
    self.shape = shape
  }

  private var window: LocalWindow {
    LocalWindow(width: options.localWindow, alignment: ColdTier.pageTokens)
  }

  public mutating func observe(_ layer: LayerView) {
    tokens = layer.queries.rows
    quantileMass += layer.forEachKVHead { masses(ofKVHead: $0, layer) }
  }

  public consuming func finish() -> TCAPlusEvidence {
    precondition(
      quantileMass.count == shape.layers * shape.kvHeads,
      "TCAPlusCalibrator.finish: \(quantileMass.count) entries for \(shape.layers) layers x \(shape.kvHeads) KV heads"
    )
    return TCAPlusEvidence(
      tokens: tokens, queryHeadsPerKVHead: shape.queryHeadsPerKVHead, quantileMass: quantileMass)
  }

  /// The 10 % quantile of the retained mass for each share.
  private func masses(ofKVHead kvHead: Int, _ layer: LayerView) -> [Double] {
    let end = window.start(forQuery: layer.newestQuery)
    guard end > 0 else { return [] }
    let importance = options.strategy.promptImportance(layer, kvHead: kvHead)
    let choices = TCAPlus.fractions.map { share in
      TCAPlusImportance.core(
        TCAPlusImportance.tokens(share, of: end), of: importance, sinks: options.sinks, end: end)
    }
    var pooled = [[Float]](repeating: [], count: choices.count)
    for head in shape.queryHeads(of: kvHead) {
      let masses = layer.retainedMass(ofHead: head, window: window, choices: choices)
      let first = (0..<tokens).first { window.start(forQuery: $0) > 0 } ?? tokens
      for choice in choices.indices {
        pooled[choice] += masses.masses(ofChoice: choice).dropFirst(first)
      }
    }
    return pooled.indices.map {
      Rounding.mass(TCACalibrator.quantile(0.1, of: &pooled[$0]))
    }
  }
}

/// What the offline pass of `tca-plus` found out.
public struct TCAPlusEvidence: CalibrationEvidence {
  /// Tokens of the calibration text.
  public var tokens: Int
  public var queryHeadsPerKVHead: Int
  /// For each KV head, layer after layer, the mass that nine pairs in ten keep with each of `TCAPlus.fractions`; empty
  /// where no query had an evictable region.
  public var quantileMass: [[Double]]

  /// For each query head the least share that reaches the threshold, by index; −1 where none does.
  public func choose(threshold: Double) -> [Int] {
    quantileMass.flatMap { masses in
      repeatElement(
        masses.firstIndex { $0 >= threshold } ?? -1, count: queryHeadsPerKVHead)
    }
  }

  public var isConsistent: Bool {
    queryHeadsPerKVHead > 0 && tokens > 0 && !quantileMass.isEmpty
      && quantileMass.allSatisfy { $0.isEmpty || $0.count == TCAPlus.fractions.count }
  }
}
