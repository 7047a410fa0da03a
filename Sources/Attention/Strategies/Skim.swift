import Records
import Tensors

/// Our own: a decode query takes a coarse look at every token, and reads whole the few that matter to it; nothing is
/// evicted.
///
/// In a cache of the format `nested` 4 bits of a key's 8 are enough to say which tokens have a share of a query head's
/// attention above `exactAbove`, at most 1 / `exactAbove` of them. These are read whole, for all heads of their group. The
/// others' weights follow from the same 4 bits, and their values are taken from 2 bits each. So every token counts, none is
/// left out, and of a token in 128 channels some 98 of 260 bytes are read.
///
/// What the coarse look gets wrong is small where it is used: an error of a weight below `exactAbove` moves the output by no
/// more than that share of a value, and such errors have no common direction. Found by experiment, see docs/findings.md.
///
/// Queries are rounded to 8 bits. The prompt is dense. Layers with a window of their own read theirs whole.
public struct Skim: Skims {
  public static let about = StrategyFacts(
    "skim",
    "Our own: decode queries look coarsely at all tokens and read whole the few that matter; needs the cache nested.",
    .own, source: "docs/findings.md")

  @Parameter(
    "a token with a larger share of a query head's attention is read whole, others coarsely",
    0...1)
  public var exactAbove = 1.0 / 4096

  public init() {}

  public func queriesDecodedTogether(from position: Int) -> Int { 1 }
}
