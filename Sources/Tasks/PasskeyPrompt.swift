import Records
import Tokenization

/// One passkey prompt of an exact length.
///
/// Tokens are not additive: where two texts are joined, the whole has other tokens than the two
/// had. So the whole prompt is tokenised for each possible end of the haystack, from the likeliest
/// outwards, and the first that gives exactly the wanted number of tokens is taken: first ends of
/// words, then other ends of tokens, inside a word or after white space. Where none fits (one more
/// word may add two tokens), the haystack begins one sentence later, and so on. Where that does not
/// help either (a text in which every character takes three tokens), the first haystack is cut
/// short and filled up with " a" until it fits.
struct PasskeyPrompt {
  let key: String
  let tokens: [Int32]
  /// The index of the token with which the final line begins, after two line feeds.
  let finalLineStart: Int

  private static let finalLine = "The pass key is"
  /// How many ends of a haystack, and how many haystacks, are tried.
  private static let triedEnds = 24
  private static let triedStarts = 16

  private static func needle(_ key: String) -> String { "\n\n\(finalLine) \(key).\n\n" }
  private static let end = "\n\n\(finalLine)"

  /// The tokens that a text has to have, at least, for a prompt of `tokenCount`: what stands around the haystack has no
  /// more than one for each byte, a BOS token and a space before it.
  static func leastTextTokens(forPromptOf tokenCount: Int) -> Int {
    let frame = needle("12345").utf8.count + end.utf8.count + 2
    return max(tokenCount - frame, 1) + 2 * triedEnds
  }

  /// - Parameters:
  ///   - tokenCount: of the prompt.
  ///   - depth: of the key in the haystack's tokens, 0…1.
  /// - Throws: a ``TaskError`` where the text is too short.
  init(
    in haystack: Haystack, tokenCount: Int, depth: Double,
    using generator: inout SeededGenerator
  ) throws(TaskError) {
    key = String(10_000 + generator.index(below: 90_000))
    let needle = Self.needle(key)
    let end = Self.end
    let frame = haystack.tokenizer.encode(needle + end).count
    let wanted = tokenCount - frame
    // The last haystack ends a little before the text does.
    let last = haystack.tokenCount - wanted - 2 * Self.triedEnds
    let fitting = ([0] + haystack.sentenceStarts).prefix { haystack.token(at: $0) <= last }
    guard wanted > 0, !fitting.isEmpty else {
      throw TaskError(
        task: PasskeyTask.description.name,
        problem:
          "the corpus \"\(haystack.name)\" has \"\(haystack.tokenCount)\" tokens; a prompt of \(tokenCount) needs \(max(wanted, 1) + 2 * Self.triedEnds) of them; use a longer text or a shorter context"
      )
    }
    let first = generator.index(below: fitting.count)
    // The last attempt is the first again, filled up.
    for attempt in 0...Self.triedStarts {
      let start = fitting[(first + attempt % Self.triedStarts) % fitting.count]
      let seam = Seam(haystack: haystack, start: start, depth: depth, needle: needle, end: end)
      guard
        let tokens = seam.tokens(
          count: tokenCount, guess: haystack.token(at: start) + wanted, tries: Self.triedEnds,
          fills: attempt == Self.triedStarts)
      else { continue }
      self.tokens = tokens
      finalLineStart = try Self.tokenIndex(
        Self.finalLine.utf8.count, beforeTheEndOf: tokens, haystack.tokenizer)
      return
    }
    throw TaskError(
      task: PasskeyTask.description.name,
      problem:
        "no stretch of the corpus \"\(haystack.name)\" makes a prompt of exactly \"\(tokenCount)\" tokens; use another text or context length"
    )
  }

  /// The index of the token that begins `byteCount` bytes before the end. A token never joins a
  /// line feed and a letter, so there is one, unless the vocabulary has a special token that does.
  private static func tokenIndex(
    _ byteCount: Int, beforeTheEndOf tokens: [Int32], _ tokenizer: Tokenizer
  ) throws(TaskError) -> Int {
    let pieces = tokenizer.pieces(of: tokens)
    var index = tokens.count
    var bytes = 0
    while bytes < byteCount, index > 0 {
      index -= 1
      bytes += pieces[index].count
    }
    guard bytes == byteCount else {
      throw TaskError(
        task: PasskeyTask.description.name,
        problem: "in the model's tokens the final line does not begin with a token of its own")
    }
    return index
  }
}

/// A stretch of the haystack that begins with a sentence and whose end is being looked for.
private struct Seam {
  let haystack: Haystack
  /// The byte with which the sentence begins.
  let start: Int
  let depth: Double
  let needle: String
  let end: String

  /// The prompt with `count` tokens; nil if none of the ends near `guess` gives that many.
  func tokens(count: Int, guess: Int, tries: Int, fills: Bool) -> [Int32]? {
    // The seams cost or save a few tokens.
    let guess = guess + count - prompt(upTo: min(guess, haystack.tokenCount)).count
    let first = haystack.token(at: start)
    let near = (guess - tries...guess + tries).filter { $0 > first && $0 < haystack.tokenCount }
    let ordered = near.sorted { (abs($0 - guess), $0) < (abs($1 - guess), $1) }
    let words = ordered.filter(isWordEnd)
    let others = ordered.filter { !isWordEnd($0) && isCharacterEnd($0) }
    if fills {
      guard let end = (words + others).first(where: { $0 <= guess - tries / 2 }) else { return nil }
      return (1...2 * tries).lazy.map { prompt(upTo: end, fillers: $0) }
        .first { $0.count == count }
    }
    return (words + others).lazy.map { prompt(upTo: $0) }.first { $0.count == count }
  }

  private func prompt(upTo token: Int, fillers: Int = 0) -> [Int32] {
    let to = haystack.tokenStarts[token]
    let (cut, next) = cut(upTo: token)
    var bytes = Array(haystack.bytes[start..<cut])
    bytes += Array(needle.utf8)
    bytes += haystack.bytes[min(next, to)..<to]
    bytes += Array((String(repeating: " a", count: fillers) + end).utf8)
    return haystack.tokenizer.encode(String(decoding: bytes, as: UTF8.self))
  }

  /// The sentence end nearest to the depth (the earlier of two equally near ones; the haystack's
  /// beginning counts as one), and where the next sentence begins.
  private func cut(upTo token: Int) -> (end: Int, next: Int) {
    let to = haystack.tokenStarts[token]
    let first = Double(haystack.token(at: start))
    let target = first + depth * (Double(token) - first)
    var best = (end: start, next: start)
    var distance = target - first
    var index = haystack.sentenceEnds.partitioningIndex { $0 > start }
    while index < haystack.sentenceEnds.count, haystack.sentenceEnds[index] <= to {
      let end = haystack.sentenceEnds[index]
      let away = abs(Double(haystack.token(at: end)) - target)
      if away < distance {
        best = (end, haystack.sentenceStarts[index])
        distance = away
      } else if Double(haystack.token(at: end)) > target {
        break
      }
      index += 1
    }
    return best
  }

  /// The token is followed by white space and does not end with any.
  private func isWordEnd(_ token: Int) -> Bool {
    let offset = haystack.tokenStarts[token]
    return isSpace(haystack.bytes[offset]) && !isSpace(haystack.bytes[offset - 1])
  }

  private func isCharacterEnd(_ token: Int) -> Bool {
    haystack.bytes[haystack.tokenStarts[token]] & 0xC0 != 0x80
  }

  private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}

extension Array where Element: Comparable {
  /// The first index from which on `isAfter` holds; the array must be sorted that way.
  fileprivate func partitioningIndex(where isAfter: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
