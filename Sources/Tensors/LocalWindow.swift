/// The most recent tokens that a query always attends to: a window that slides with the query.
///
/// The query at position q sees every key from `start(forQuery: q) = max(0,
/// ⌊q/alignment⌋·alignment − width)` to q. With alignment 1 the window holds `width + 1` keys, the
/// query's own included; with alignment b it holds `width + 1` to `width + b`, so that whole blocks
/// stay outside of it.
public struct LocalWindow: Sendable, Hashable {
  public let width: Int
  public let alignment: Int

  /// Traps unless `width` is at least 0 and `alignment` at least 1.
  public init(width: Int, alignment: Int = 1) {
    precondition(
      width >= 0 && alignment >= 1, "LocalWindow: width \(width), alignment \(alignment)")
    self.width = width
    self.alignment = alignment
  }

  /// Reaches back to the first token from any query.
  public static let everything = LocalWindow(width: .max)

  /// Only the query's own position.
  public static let currentToken = LocalWindow(width: 0)

  /// The first position inside the window of the query at `position`.
  public func start(forQuery position: Int) -> Int {
    width >= position ? 0 : max(0, position / alignment * alignment - width)
  }
}
