import Attention
import Kernels
import Synchronization
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

    public init(_ configuration: TCAPlus.Configuration) {
      localWindow = configuration.localWindow
      sinks = configuration.sinks
      importance = configuration.importance
      importanceQueries = configuration.importanceQueries
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

  public mutating func observe(_ layer: LayerView, workspace: Workspace) {
    tokens = layer.queries.rows
    let found = Mutex([[Double]](repeating: [], count: shape.kvHeads))
    workspace.workers.run(count: shape.kvHeads) { kvHead, _ in
      let masses = masses(ofKVHead: kvHead, layer)
      found.withLock { $0[kvHead] = masses }
    }
    quantileMass += found.withLock { $0 }
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
    let heads = shape.queryHeads(of: kvHead)
    let importance =
      switch options.importance {
      case .sampled:
        TCAPlusImportance.sampled(
          layer, heads: heads, queries: options.importanceQueries, window: window)
      case .last:
        TCAPlusImportance.last(layer, heads: heads, queries: options.importanceQueries)
      }
    let choices = TCAPlus.fractions.map { share in
      TCAPlusImportance.core(
        TCAPlusImportance.tokens(share, of: end), of: importance, sinks: options.sinks, end: end)
    }
    let d = shape.headDimension
    var pooled = [[Float]](repeating: [], count: choices.count)
    for head in heads {
      let masses = RetainedMass(
        queries: layer.queries, columns: head * d..<(head + 1) * d,
        keys: layer.heads[kvHead].keys, window: window, choices: choices)
      let first = (0..<tokens).first { window.start(forQuery: $0) > 0 } ?? tokens
      for choice in choices.indices {
        pooled[choice] += masses.masses(ofChoice: choice).dropFirst(first)
      }
    }
    return pooled.indices.map {
      TCACalibrator.rounded(TCACalibrator.quantile(0.1, of: &pooled[$0]))
    }
  }
}

/// What the offline pass of `tca-plus` found out.
public struct TCAPlusEvidence: Codable, Hashable, Sendable {
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

  /// Whether the counts fit each other: false of a damaged record.
  var isConsistent: Bool {
    queryHeadsPerKVHead > 0 && tokens > 0 && !quantileMass.isEmpty
      && quantileMass.allSatisfy { $0.isEmpty || $0.count == TCAPlus.fractions.count }
  }
}
