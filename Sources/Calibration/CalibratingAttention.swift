import Attention
import JSON
import Tensors

/// Dense attention that lets a watcher, such as a calibrator, look at every layer of a prompt.
///
/// A layer's cache is freed when the calibrator has seen it. It sees a model of the global layers
/// alone, as strategies do.
public final class CalibratingAttention<Watcher: DenseWatcher>: WrapsAttention {
  public let base: AttentionSession
  private var calibrator: Watcher
  private let global: AttentionShape
  private let globalLayers: [Int]

  public init(_ calibrator: Watcher, shape: AttentionShape, workspace: Workspace) {
    self.calibrator = calibrator
    global = shape.global
    globalLayers = shape.globalLayers
    base = AttentionSession(FullAttention(), shape: shape, workspace: workspace)
  }

  /// Bytes of the caches: none between layers.
  public var residentBytes: Int { base.residentBytes }

  public func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    precondition(
      phase == .prefill && firstPosition == 0,
      "CalibratingAttention: a step at \(firstPosition); calibration is one prefill")
    base.cache(
      layer: layer, phase: phase, keys: keys, values: values, firstPosition: firstPosition)
  }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    let outcome = base.attend(
      layer: layer, phase: phase, queries: queries, firstPosition: firstPosition, take: take)
    if let place = globalLayers.firstIndex(of: layer) {
      calibrator.observe(
        LayerView(
          layer: place, shape: global, phase: phase, queries: queries, firstQueryPosition: 0,
          heads: base.caches[layer], workspace: base.workspace))
    }
    for head in base.caches[layer] { head.removeAll() }
    return outcome
  }

  public func queriesDecodedTogether(from position: Int) -> Int { .max }

  /// Ends the pass.
  public func finish() -> Watcher.Evidence { calibrator.finish() }
}

extension CalibratingAttention: CalibrationPass where Watcher: Calibrator {
  public func evidence() throws -> JSONValue { try JSONValue(encoding: finish()) }
}
