/// SplitMix64 (Steele, Lea and Flood 2014): a generator whose numbers are the same on every machine and in every
/// version of this program.
///
/// Draw through ``index(below:)``, ``unit()`` and ``shuffle(_:)`` where a result must never change: the standard
/// library does not promise how it turns a generator's bits into a range.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  /// A generator of its own for one purpose, so that what is drawn for one does not shift another.
  public init(seed: Int, purpose: String) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
    for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    var mixer = SeededGenerator(seed: UInt64(bitPattern: Int64(seed)))
    state = mixer.next() ^ hash
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A whole number in 0 ..< count, each equally likely; traps unless count is positive.
  public mutating func index(below count: Int) -> Int {
    precondition(count > 0, "SeededGenerator.index: below \(count)")
    let bound = UInt64(count)
    // Numbers from the last, incomplete stretch of `bound` are drawn again.
    let limit = UInt64.max - UInt64.max % bound
    var number = next()
    while number >= limit { number = next() }
    return Int(number % bound)
  }

  /// A number in 0 ..< 1 with 53 bits.
  public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number from the standard normal distribution (sum of twelve uniform ones: enough for test data).
  public mutating func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + unit() } }

  /// Fisher and Yates: every order equally likely.
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    guard elements.count > 1 else { return }
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, index(below: last + 1))
    }
  }
}
