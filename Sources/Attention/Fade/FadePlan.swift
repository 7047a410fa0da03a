import Tensors

/// How many tokens of a prompt the KV heads of a layer keep on average, and how many each of them with all their bits.
struct FadePlan: Sendable, Hashable {
  let kept: Int
  let whole: Int
  /// Of those kept, and of those with all bits, the first tokens and the prompt's last ones that are in any case.
  let forced: ForcedTokens
  let forcedWhole: ForcedTokens

  /// - Parameters:
  ///   - budget: the bytes of so many tokens with all bits, at least 1; nil to keep all.
  ///   - share: see ``Fade/whole``.
  init(tokens: Int, budget: Int?, whole share: Double, forced all: ForcedTokens, bytes: FadeBytes) {
    let most = min(tokens, all.first + all.newest)
    guard let budget, budget < tokens else {
      kept = tokens
      whole = budget == nil ? most + Share.count(share, of: tokens - most) : tokens
      forcedWhole = all.limited(to: most)
      forced = forcedWhole
      return
    }
    // Heads share tokens, so one's may begin a group more than the mean's.
    let allowed = bytes.of(budget, whole: budget) - FadeBytes.group
    let own = min(most, max(1, budget / 2))
    let least = own + Share.count(share, of: budget - own)
    let fitting = (0..<tokens).bisected { bytes.of($0 + 1, whole: min($0, least)) > allowed }
    if fitting > budget {
      kept = fitting
      whole = min(kept, least + (allowed - bytes.of(kept, whole: least)) / bytes.lower)
    } else {
      // Saying which have all bits would not pay.
      kept = budget
      whole = budget
    }
    forcedWhole = all.limited(to: own)
    // Those that matter most have a place.
    forced = all.limited(to: kept - (whole - forcedWhole.first - forcedWhole.newest))
  }
}

/// What tokens take in the format `nested`.
struct FadeBytes: Sendable, Hashable {
  /// Of the bits that a token can give up.
  let lower: Int
  private let higher: Int
  /// Which of 32 tokens have all bits is said for keys and for values.
  static let group = 16

  init(headDimension: Int) {
    higher = CacheFormat.coarseTokenBytes(headDimension: headDimension)
    lower = CacheFormat.nested.tokenBytes(headDimension: headDimension) - higher
  }

  /// Bytes of so many tokens, some with all bits.
  func of(_ tokens: Int, whole: Int) -> Int {
    tokens * higher + whole * lower + (whole < tokens ? (tokens + 31) / 32 * Self.group : 0)
  }
}
