/// Key positions that count slots of the cache: the first tokens and the most recent ones stand side by side.
///
/// A query at p that sees `sinks` first tokens and `localWindow` recent ones, its own included, takes the position
/// p' = sinks + localWindow − 1 in a cache whose keys stand at 0, 1, … As rotary logits depend on distances only, the
/// recent keys may keep their positions if the query keeps its own; and so may the first ones, if for them the query
/// is turned to p'. No key is ever turned again. Up to p = p' both are the same.
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
