/// The tokens of a vocabulary by their UTF-8 bytes: a `String` key would take canonically
/// equivalent tokens for one.
struct TokenIndex: Sendable {
  private let ids: [ArraySlice<UInt8>: Int32]

  /// - Throws: `damaged` for an empty token, and for one that comes twice.
  init(_ tokens: [String]) throws(TokenizationError) {
    // Keys are slices of one array: half a million small ones would take longer to make.
    var bytes: [UInt8] = []
    var ends: [Int] = []
    ends.reserveCapacity(tokens.count)
    for token in tokens {
      bytes += token.utf8
      ends.append(bytes.count)
    }
    var ids: [ArraySlice<UInt8>: Int32] = [:]
    ids.reserveCapacity(tokens.count)
    var start = 0
    for (id, end) in ends.enumerated() {
      guard start < end else { throw TokenizationError(.damaged, "token \(id) is empty") }
      if let first = ids.updateValue(Int32(id), forKey: bytes[start..<end]) {
        throw TokenizationError(
          .damaged,
          "tokens \(first) and \(id) of the vocabulary are the same: \(quoted(tokens[id]))")
      }
      start = end
    }
    self.ids = ids
  }

  /// The id of the token with these bytes; nil if there is none.
  subscript(bytes: ArraySlice<UInt8>) -> Int32? { ids[bytes] }

  subscript(token: some StringProtocol) -> Int32? { ids[Array(token.utf8)[...]] }
}
