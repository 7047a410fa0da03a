import Tensors

/// What a forward pass asks of attention: one call per layer and phase.
///
/// An `AttentionSession` is the plain case; a probe wraps one or several of them behind the same
/// interface, so that a timed pass contains no measuring code.
public protocol LayerAttention: AnyObject {
  var shape: AttentionShape { get }

  /// Caches the step's keys and values, then attends.
  ///
  /// - Parameters:
  ///   - queries: (tokens x queryHeads·headDimension), rotated.
  ///   - keys, values: (tokens x kvHeads·headDimension), keys rotated.
  ///   - firstPosition: the position of row 0; the rows are consecutive tokens.
  ///   - output: (tokens x queryHeads·headDimension), overwritten.
  @discardableResult
  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) -> AttentionOutcome

  /// How many tokens from `position` on may be decoded in one step with the same result as one by
  /// one.
  func queriesDecodedTogether(from position: Int) -> Int
}
