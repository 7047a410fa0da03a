/// Key positions counted in cache slots, so that the first tokens and the most recent ones are
/// adjacent.
///
/// A query at p that sees `sinks` first tokens and `localWindow` recent ones, its own included,
/// takes the position p' = sinks + localWindow − 1 in a cache whose keys are at 0, 1, … Since
/// rotary logits depend on distances alone, the recent keys can keep their positions as long as the
/// query keeps its own, and so can the first ones if the query is rotated to p' for them. No key is
/// ever rotated again. Up to p = p' the two agree.
public struct CachePositions: Sendable, Hashable {
  /// First tokens that every query sees.
  public var sinks: Int
  /// Most recent tokens that a query sees, its own included.
  public var localWindow: Int
  /// Whether prompt queries see keys at these positions too, or decode queries alone.
  public var actsInPrefill: Bool

  public init(sinks: Int, localWindow: Int, actsInPrefill: Bool) {
    self.sinks = sinks
    self.localWindow = localWindow
    self.actsInPrefill = actsInPrefill
  }

  /// The position that every later query takes.
  var lastPosition: Int { sinks + localWindow - 1 }
}
