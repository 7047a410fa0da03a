/// How finely a strategy selects in prefill.
public enum PrefillGranularity: Sendable, Hashable {
  /// One selection per query head for all prompt queries.
  case wholePrompt
  /// One per block of `size` queries, the blocks counted from the first or up to the last token.
  case queryBlock(of: Int, from: BlockOrigin)
  /// One for the last `size` queries and one for all before them.
  case lastQueriesApart(Int)

  public enum BlockOrigin: Sendable, Hashable { case firstToken, lastToken }

  /// The blocks of a prompt of `count` queries, ascending.
  public func blocks(of count: Int) -> [Range<Int>] {
    if case .lastQueriesApart(let size) = self, size > 0, size < count {
      return [0..<count - size, count - size..<count]
    }
    guard count > 0, case .queryBlock(let size, let origin) = self else { return [0..<count] }
    let remainder = origin == .lastToken ? count % size : 0
    let first = remainder > 0 ? [0..<remainder] : []
    return first
      + stride(from: remainder, to: count, by: size).map { $0..<min($0 + size, count) }
  }
}
