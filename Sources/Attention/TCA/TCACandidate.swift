import Foundation

/// One of the budget distributions that calibration chooses from: which share of a head's blocks
/// keeps how many tokens.
///
/// With K = {1, 2, 4, …, blockSize}, the share of blocks that keep k tokens is
///
///     p_k = Φ(log₂ k) / Σ_k' Φ(log₂ k'),   Φ(x) = exp(−(x − μ)² / 2σ²)
///
/// in double precision (arXiv 2512.09238, offline stage). There are 14: μ at 7 even steps on [0,
/// log₂ blockSize], each with σ 0.5 and 1.5; index = 2 · (index of μ) + (index of σ), ascending.
public struct TCACandidate: Sendable, Hashable {
  public static let count = 14
  /// Stands for a head that keeps everything.
  public static let keepEverything = -1

  /// K: the numbers of tokens that a block may keep, ascending.
  public let counts: [Int]
  /// p_k, one for each of `counts`; sums to 1.
  public let shares: [Double]

  /// Traps unless the sizes agree.
  public init(counts: [Int], shares: [Double]) {
    precondition(
      counts.count == shares.count && !counts.isEmpty,
      "TCACandidate: \(counts.count) counts, \(shares.count) shares")
    self.counts = counts
    self.shares = shares
  }

  /// Candidate `index` (0…13) for blocks of `blockSize` tokens, a power of two.
  public init(index: Int, blockSize: Int) {
    precondition(
      (0..<Self.count).contains(index), "TCACandidate: index \(index) of \(Self.count)")
    let exponent = Self.exponent(ofBlockSize: blockSize)
    let mean = Double(exponent) * Double(index / 2) / 6
    let deviation = index % 2 == 0 ? 0.5 : 1.5
    let weights = (0...exponent).map { x in
      exp(-pow(Double(x) - mean, 2) / (2 * deviation * deviation))
    }
    let total = weights.reduce(0, +)
    self.init(
      counts: (0...exponent).map { 1 << $0 }, shares: weights.map { $0 / total })
  }

  /// All candidates, by index.
  public static func all(blockSize: Int) -> [TCACandidate] {
    (0..<count).map { TCACandidate(index: $0, blockSize: blockSize) }
  }

  /// log₂ of a block size; traps unless it is a power of two.
  static func exponent(ofBlockSize blockSize: Int) -> Int {
    precondition(
      blockSize > 0 && blockSize & (blockSize - 1) == 0,
      "TCACandidate: block size \(blockSize) is not a power of two")
    return blockSize.trailingZeroBitCount
  }

  /// Ψ: how many tokens each of `blocks` blocks keeps, largest first.
  ///
  /// Counts of blocks come from the shares by largest remainder; on equal remainders the larger k
  /// wins.
  public func budgets(blocks: Int) -> [Int] {
    let exact = shares.map { $0 * Double(blocks) }
    var quotas = exact.map { Int($0.rounded(.down)) }
    let byRemainder = exact.indices.sorted { left, right in
      let a = exact[left] - exact[left].rounded(.down)
      let b = exact[right] - exact[right].rounded(.down)
      return a == b ? left > right : a > b
    }
    let missing = blocks - quotas.reduce(0, +)
    for rank in 0..<max(0, missing) { quotas[byRemainder[rank % byRemainder.count]] += 1 }
    return quotas.indices.reversed().flatMap { index in
      repeatElement(counts[index], count: quotas[index])
    }
  }

  /// t: how many tokens of a block stay when it leaves the window in decode, ⌊Σ k p_k⌋ in
  /// 1…blockSize.
  public var decodeBudget: Int {
    let mean = zip(counts, shares).reduce(0) { $0 + Double($1.0) * $1.1 }
    return min(max(1, Int(mean.rounded(.down))), counts[counts.count - 1])
  }
}
