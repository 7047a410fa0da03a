@testable import Tokenization

/// Small vocabularies: the 256 byte tokens in order, then what the merges make, then special
/// tokens.
enum TestVocabulary {
  static let specials = ["<|im_start|>", "<|im_end|>", "<|im_end|><|im_end|>", "<é>"]

  static func tokens(merges: [String], specials: [String] = specials) -> [String] {
    ByteAlphabet.scalars.map { String($0) } + merges.map { $0.filter { $0 != " " } } + specials
  }

  static func make(
    merges: [String], specials: [String] = specials, without missing: Set<UInt8> = [],
    preTokenizer: PreTokenizer = .smollm, bosToken: Int? = nil, eosToken: Int? = nil,
    addsBOS: Bool? = nil
  ) throws -> Vocabulary {
    let left = Set(missing.map { String(ByteAlphabet.scalars[Int($0)]) })
    let tokens = tokens(merges: merges, specials: specials).filter { !left.contains($0) }
    let types = tokens.indices.map { $0 < tokens.count - specials.count ? 1 : 3 }
    return try Vocabulary(
      .byteLevel(preTokenizer, merges: merges), tokens: tokens, tokenTypes: types,
      bosToken: bosToken, eosToken: eosToken, addsBOS: addsBOS)
  }

  /// Merges of random pairs of tokens that there are already, most of them of letters that follow
  /// each other in `alphabet`; no two make the same token.
  static func randomMerges(
    _ count: Int, over alphabet: [String], using generator: inout some RandomNumberGenerator
  ) -> [String] {
    var tokens = alphabet
    var merges: [String] = []
    while merges.count < count {
      let left = tokens.randomElement(using: &generator) ?? ""
      let right = tokens.randomElement(using: &generator) ?? ""
      guard !tokens.contains(left + right) else { continue }
      merges.append("\(left) \(right)")
      tokens.append(left + right)
    }
    return merges
  }
}

/// SplitMix64, so that a failure comes again.
struct TestGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
