import Tensors

/// How many of a KV head's evictable tokens are held exactly, and how many in the cold tier; the
/// others leave.
struct TierShare: Sendable, Hashable {
  var exact: Int
  /// Whole pages.
  var cold: Int
}

/// Turns a budget in bytes, or shares of the tokens, into what each KV head holds in either tier.
///
/// Bytes are those that `KVHead.logicalBytes` counts: keys and values of exact tokens in the cache's
/// format, codes, ranges and positions of cold ones.
struct TierPlan {
  let format: ColdFormat?
  let headDimension: Int
  /// Of the exact tokens.
  let cache: CacheFormat

  var exactBytes: Int { cache.tokenBytes(headDimension: headDimension) }
  private var pageBytes: Int {
    format.map { ColdTier.wholePageBytes($0, headDimension: headDimension) } ?? 0
  }
  private var pageTokens: Int { ColdTier.pageTokens }

  /// A share of `count` tokens is held exactly, the others in the cold tier except those that do
  /// not fill a page; without a cold tier they leave.
  func share(exactly tokens: Int, of count: Int) -> TierShare {
    guard format != nil else { return TierShare(exact: tokens, cold: 0) }
    let cold = (count - tokens) / pageTokens * pageTokens
    return TierShare(exact: count - cold, cold: cold)
  }

  /// The fewest bytes that hold `count` tokens: whole pages, and exactly those that fill none; 0
  /// without a cold tier, where the others leave.
  func leastBytes(holding count: Int) -> Int {
    guard format != nil else { return 0 }
    return count / pageTokens * pageBytes + count % pageTokens * exactBytes
  }

  /// As many tokens as fit into `bytes`; among equal numbers, the division with more exact tokens.
  func share(bytes: Int, of count: Int) -> TierShare {
    var best = TierShare(exact: min(count, max(0, bytes) / exactBytes), cold: 0)
    guard format != nil else { return best }
    for pages in 1..<max(2, count / pageTokens + 1) {
      let left = bytes - pages * pageBytes
      guard left >= 0, pages * pageTokens <= count else { break }
      let exact = min(count - pages * pageTokens, left / exactBytes)
      if exact + pages * pageTokens > best.exact + best.cold {
        best = TierShare(exact: exact, cold: pages * pageTokens)
      }
    }
    return best
  }

  /// The bytes of each KV head for `count` evictable tokens, `mean` on average.
  ///
  /// What is left when all tokens are cold buys exact ones, in proportion to `weights`; no head
  /// gets more than it needs to hold all its tokens exactly. If not even the cold ones fit, all
  /// heads get the same.
  func bytes(mean: Int, weights: [Double], count: Int) -> [Int] {
    let least = leastBytes(holding: count)
    let extra = Double(mean - least)
    let most = Double(count * exactBytes - least)
    guard extra > 0, most > 0 else { return weights.map { _ in mean } }
    guard extra < most else { return weights.map { _ in count * exactBytes } }
    let total = extra * Double(weights.count)
    var isFull = [Bool](repeating: false, count: weights.count)
    while true {
      let full = isFull.count { $0 }
      let open = zip(weights, isFull).reduce(0) { $0 + ($1.1 ? 0 : $1.0) }
      let factor = open > 0 ? (total - Double(full) * most) / open : 0
      let news = weights.indices.filter { !isFull[$0] && factor * weights[$0] >= most }
      guard !news.isEmpty else {
        return weights.indices.map { head in
          least + Int(isFull[head] ? most : (factor * weights[head]).rounded(.down))
        }
      }
      for head in news { isFull[head] = true }
    }
  }
}
