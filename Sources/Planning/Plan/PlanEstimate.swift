import Calibration
import JSON
import Records

/// What running cells will roughly take: floating-point operations over the rates at which matrix products and attention
/// run, and the largest cell's bytes.
///
/// A strategy that leaves out keys in the prefill is taken to attend to half of the causal pairs.
/// A forward pass over n tokens costs 2 operations a weight and token in matrices and 2 · n² · query heads · head
/// dimension · layers in causal attention. Passes of a cell:
/// - approximation: one a sample, with dense attention beside the strategy's; the strategy's attention once more beside
///   the dense pass, which is that of `full`;
/// - quality without approximation: one; either way 4 operations a weight of the output matrix and scored token;
/// - latency: `warmups + repeats`, twice as many of `full`, each with `decodeTokens` single steps, which reach a fifth of
///   the rate;
/// - the same for a synthetic model, except that its two settings are one: dense attention is computed once for all
///   strategies;
/// - memory without latency: one more; calibration: three passes over its text, once a model, text and length.
///
/// Good to a factor of about two: it is meant for deciding whether to wait.
public struct PlanEstimate: Sendable, Hashable {
  /// Wall-clock seconds of all cells.
  public var seconds: Double
  /// The process's high-water mark.
  public var peakBytes: Int

  /// Operations per second of matrix products, all threads together, assumed where none has been measured.
  public static let defaultRate = 150e9
  /// The same of attention over long prompts.
  public static let attentionRate = 250e9

  /// - Parameters:
  ///   - cells: those that still have to be run.
  ///   - rate, attentionRate: floating-point operations per second, all threads together.
  public init(
    of cells: [PlannedCell], in checked: CheckedSpec, plan: ExperimentPlan,
    rate: Double = PlanEstimate.defaultRate,
    attentionRate: Double = PlanEstimate.attentionRate
  ) {
    let phases = Dictionary(
      checked.spec.strategies.map { ($0.name, $0.description.phases) },
      uniquingKeysWith: { first, _ in first })
    var operations = 0.0
    var bytes = 0.0
    var calibrated: Set<[String]> = []
    for planned in cells {
      guard let model = checked.models.first(where: { $0.digest == planned.cell.modelDigest })
      else { continue }
      let pass = PassWork(
        model, attentionCost: rate / attentionRate,
        attendedShare: phases[planned.cell.strategy]?.contains(.prefill) == true ? 0.5 : 1)
      operations += Self.operations(of: planned, pass, checked.spec)
      bytes = max(bytes, Self.bytes(of: planned.cell, model))
      for strategy in plan.strategies[planned.cell.identity]?.withParts ?? [] {
        guard
          let request = try? strategy.offlinePhase?.calibrationRequest(
            contextLength: model.contextLength)
        else { continue }
        let length = Double(request.tokens)
        if calibrated.insert([model.digest, request.corpus, "\(length)"]).inserted {
          operations += 3 * (pass.matrices(length) + pass.denseAttention(length))
        }
      }
    }
    seconds = operations / rate
    // A file may claim any context length; no process has more than this.
    peakBytes = Int(min(bytes, 1e18))
  }

  /// The largest number of bytes that each cell's process will hold, by identity.
  public static func neededBytes(
    of cells: [PlannedCell], in checked: CheckedSpec
  ) -> [String: Int] {
    let models = Dictionary(
      checked.models.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    return cells.reduce(into: [:]) { needed, planned in
      guard let model = models[planned.cell.modelDigest] else { return }
      needed[planned.cell.identity] = Int(min(bytes(of: planned.cell, model), 1e18))
    }
  }

  private static func operations(
    of planned: PlannedCell, _ pass: PassWork, _ spec: ExperimentSpec
  ) -> Double {
    let cell = planned.cell
    let n = Double(cell.contextLength)
    var operations = 0.0
    let scored = cell.taskParameters["scoredTokens"]?.doubleValue ?? n / 2
    let output = 2 * pass.output(scored)
    if spec.metrics.contains(.approximation) {
      let isFull = cell.strategyRole == .reference
      let dense = isFull || !pass.isSynthetic ? pass.denseAttention(n) : 0
      let own = isFull ? 0 : 2 * pass.attention(n)
      operations +=
        Double(cell.expectedSampleCount) * (pass.matrices(n) + dense + own + output)
    } else if spec.metrics.contains(.quality) {
      operations +=
        Double(cell.expectedSampleCount) * (pass.matrices(n) + pass.attention(n) + output)
    }
    let timed =
      spec.metrics.contains(.latency)
      ? (spec.warmups + spec.repeats) * (cell.identity == planned.fullIdentity ? 2 : 1)
      : spec.metrics.contains(.memory) ? 1 : 0
    let step = 5 * (pass.matrices(1) + pass.output(1) + 2 * pass.attention(n) / n)
    return operations
      + Double(timed)
      * (pass.matrices(n) + pass.attention(n) + Double(planned.decodeTokens) * step)
  }

  /// The mapped file, three caches (the strategy's, the dense one of its format and the exact one, at most 4 bytes a number), eight rows of hidden size
  /// a token, and 200 MB for the program and its tiles.
  private static func bytes(of cell: CellRecord, _ model: ModelFacts) -> Double {
    let shape = model.shape
    let n = Double(cell.contextLength)
    let held = shape.geometry.reduce(0) { $0 + min(n, $1.window.map(Double.init) ?? n) } / n
    let values = held * Double(shape.kvHeads) * Double(shape.headDimension) * 2
    let rows = 8 * Double(model.size.hiddenSize)
    let inputs = model.synthetic?.inputBytes(tokens: n) ?? 0
    return Double(model.size.fileBytes) + inputs + 4 * n * (3 * values + rows) + 200e6
  }
}

/// Floating-point operations of a forward pass.
private struct PassWork {
  private let model: ModelFacts
  /// An operation of attention in operations of matrix products.
  private let attentionCost: Double
  /// Of the causal pairs, by the strategy.
  private let attendedShare: Double

  init(_ model: ModelFacts, attentionCost: Double, attendedShare: Double) {
    self.model = model
    self.attentionCost = attentionCost
    self.attendedShare = attendedShare
  }

  var isSynthetic: Bool { model.synthetic != nil }

  func matrices(_ tokens: Double) -> Double {
    2 * Double(model.size.matrixParameters) * tokens
  }

  func output(_ tokens: Double) -> Double {
    2 * Double(model.size.outputParameters) * tokens
  }

  /// What the strategy attends to, in the layers that it acts on, and the windows of the others.
  func attention(_ tokens: Double) -> Double {
    layerAttention(tokens) { $0 == nil ? attendedShare : 1 }
  }

  /// The causal half, or the window.
  func denseAttention(_ tokens: Double) -> Double { layerAttention(tokens) { _ in 1 } }

  private func layerAttention(_ tokens: Double, share: (_ window: Int?) -> Double) -> Double {
    let shape = model.shape
    let keys = shape.geometry.reduce(0) {
      $0 + share($1.window) * min(tokens, 2 * ($1.window.map(Double.init) ?? tokens))
    }
    return attentionCost * 2 * Double(shape.queryHeads) * Double(shape.headDimension) * keys
      * tokens
  }
}
