import Tensors

/// What a forward pass asks of attention: two calls per layer and phase.
///
/// First a step's keys and values enter the cache, then its queries attend. So keys and values need
/// not exist any more when queries do, and what attention gives is used up piece by piece: of a long
/// prompt only the queries exist for all tokens.
///
/// An `AttentionSession` is the plain case; a probe wraps one or several of them behind the same
/// interface, so that a timed pass contains no measuring code.
public protocol LayerAttention: AnyObject {
  var shape: AttentionShape { get }

  /// Caches a step's keys and values.
  ///
  /// - Parameters:
  ///   - keys, values: (tokens x kvHeads·headDimension), keys rotated.
  ///   - firstPosition: the position of row 0; the rows are consecutive tokens.
  func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int)

  /// Attends with the queries of the tokens that were cached last in this layer.
  ///
  /// - Parameters:
  ///   - queries: (tokens x queryHeads·headDimension), rotated.
  ///   - take: called with the outputs of consecutive rows, ascending until all are through; row 0
  ///     of `output` (rows.count x queryHeads·headDimension) belongs to the first of `rows`.
  @discardableResult
  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome

  /// How many tokens from `position` on may be decoded in one step with the same result as one by
  /// one.
  func queriesDecodedTogether(from position: Int) -> Int
}

extension LayerAttention {
  /// Caches keys and values and attends, all outputs at once.
  ///
  /// - Parameter output: (tokens x queryHeads·headDimension), overwritten.
  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) -> AttentionOutcome {
    cache(layer: layer, phase: phase, keys: keys, values: values, firstPosition: firstPosition)
    return attend(layer: layer, phase: phase, queries: queries, firstPosition: firstPosition) {
      rows, piece in
      if rows.count == output.rows {
        output = piece
      } else {
        output.replaceRows(from: rows.lowerBound, with: piece, rows: 0..<rows.count)
      }
    }
  }
}

/// Attention that lets another do the work, and says only what is different.
public protocol WrapsAttention: LayerAttention {
  associatedtype Base: LayerAttention
  var base: Base { get }
}

extension WrapsAttention {
  public var shape: AttentionShape { base.shape }

  public func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    base.cache(
      layer: layer, phase: phase, keys: keys, values: values, firstPosition: firstPosition)
  }

  @discardableResult
  public func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    base.attend(
      layer: layer, phase: phase, queries: queries, firstPosition: firstPosition, take: take)
  }

  public func queriesDecodedTogether(from position: Int) -> Int {
    base.queriesDecodedTogether(from: position)
  }
}

/// How the tokens of a step are cut where not all need to exist at once.
public enum TokenPieces {
  /// Steps of up to this many tokens are one piece.
  static let mostTogether = 8192
  /// Tokens of a piece of a longer one.
  static let length = 2048

  /// `0..<count` in consecutive pieces.
  public static func of(_ count: Int) -> [Range<Int>] {
    count <= mostTogether ? [0..<count] : (0..<count).cut(intoAtMost: length)
  }
}

extension Range<Int> {
  /// As few consecutive ranges of at most `length` as possible, of nearly equal length.
  package func cut(intoAtMost length: Int) -> [Range<Int>] {
    let pieces = (count + length - 1) / length
    return (0..<pieces).map {
      lowerBound + count * $0 / pieces..<lowerBound + count * ($0 + 1) / pieces
    }
  }
}
