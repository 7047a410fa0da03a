import Records
import Tensors

/// Our own: a decode query takes a coarse look at every token, and reads whole the few that matter to it; nothing is
/// evicted.
///
/// In a cache of the format `nested` 4 bits of a key's 8 are enough to say which tokens have a share of a query head's
/// attention above `exactAbove`: at most 1 / `exactAbove` of them, fewer where attention is spread out. These are read whole,
/// for all heads of their group. The others' weights follow from the same 4 bits, and their values are taken from 2 bits
/// each, with weights in steps of 1/127 of the largest in some thousand tokens. So every token counts, none is left out, and
/// of a token in 128 channels that is not read whole 100 of 260 bytes are read.
///
/// A token that is read coarsely has a small weight, so that what is wrong with it moves the output little. The limit is on
/// the weight as the coarse look says it, and a noisy logit makes weights larger on average than they are: no bound is
/// promised, and what it loses is measured (docs/findings.md).
///
/// Queries are rounded to 8 bits. The prompt is dense. Layers with a window of their own read theirs whole, with such
/// queries, too.
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
}
