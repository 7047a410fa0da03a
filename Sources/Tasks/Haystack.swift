import Tokenization

/// A corpus to hide needles in: its running text, its tokens, and where sentences begin and end.
///
/// Offsets are in UTF-8 bytes. The text is what the model's tokens can write of the corpus, so that
/// the bytes of the tokens are the bytes of the text.
struct Haystack {
  let tokenizer: Tokenizer
  let name: String
  let bytes: [UInt8]
  /// Byte offset at which each token begins, and the text's end after the last.
  let tokenStarts: [Int]
  /// Where sentences end, after the closing quotes, ascending.
  let sentenceEnds: [Int]
  /// For each end, where the next sentence begins after white space; for the last, the text's end.
  let sentenceStarts: [Int]

  var tokenCount: Int { tokenStarts.count - 1 }

  init(_ corpus: Corpus, tokenizer: Tokenizer) throws(TaskError) {
    self.tokenizer = tokenizer
    name = corpus.name
    let text = tokenizer.writable(corpus.running)
    bytes = Array(text.utf8)
    var starts = [0]
    for piece in tokenizer.pieces(of: tokenizer.encode(text, addsBOS: false)) {
      starts.append(starts[starts.count - 1] + piece.count)
    }
    tokenStarts = starts
    guard starts.last == bytes.count else {
      throw TaskError(
        task: PasskeyTask.description.name,
        problem: "the model's tokens do not give back the corpus \"\(corpus.name)\"")
    }
    (sentenceEnds, sentenceStarts) = SentenceScanner(bytes).sentences()
  }

  /// The token that begins at a byte offset, or the one after it.
  func token(at offset: Int) -> Int {
    var low = 0
    var high = tokenStarts.count - 1
    while low < high {
      let middle = (low + high) / 2
      if tokenStarts[middle] < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Finds where sentences end in a text.
///
/// A sentence ends after `.`, `!`, `?` (or their full-width forms) with the closing quotes and
/// brackets behind them, if white space follows and the next word does not begin with a lower-case
/// Latin letter; not after a title (`Mr.`) or a single capital letter (an initial). It also ends
/// before an empty line.
struct SentenceScanner {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Where sentences end, and for each end where the next sentence begins.
  func sentences() -> (ends: [Int], starts: [Int]) {
    var ends: [Int] = []
    var starts: [Int] = []
    var offset = 0
    while offset < bytes.count {
      guard isSpace(offset) else {
        offset += 1
        continue
      }
      let end = offset
      var lineFeeds = 0
      while offset < bytes.count, isSpace(offset) {
        if bytes[offset] == UInt8(ascii: "\n") { lineFeeds += 1 }
        offset += 1
      }
      guard end > 0 else { continue }
      let followsSmallLetter =
        offset < bytes.count && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[offset])
      if lineFeeds > 1 || !followsSmallLetter && isSentenceEnd(end) {
        ends.append(end)
        starts.append(offset)
      }
    }
    return (ends, starts)
  }

  private func isSpace(_ offset: Int) -> Bool {
    bytes[offset] == UInt8(ascii: " ") || (0x09...0x0D).contains(bytes[offset])
  }

  private static let closers = ["\"", "'", ")", "]", "\u{201D}", "\u{2019}", "\u{BB}", "_", "*"]
    .map { Array($0.utf8) }
  private static let terminators = [".", "!", "?", "\u{3002}", "\u{FF01}", "\u{FF1F}"]
    .map { Array($0.utf8) }
  private static let titles = ["Mr", "Mrs", "Ms", "Dr", "St"].map { Array($0.utf8) }

  private func isSentenceEnd(_ end: Int) -> Bool {
    var end = end
    while let closer = Self.closers.first(where: { bytes[..<end].hasSuffix($0) }) {
      end -= closer.count
    }
    guard let terminator = Self.terminators.first(where: { bytes[..<end].hasSuffix($0) }) else {
      return false
    }
    guard terminator == [UInt8(ascii: ".")] else { return true }
    var start = end - 1
    while start > 0, isLetter(bytes[start - 1]) { start -= 1 }
    let word = bytes[start..<end - 1]
    let isInitial = word.count == 1 && word.allSatisfy { $0 < 0x60 && $0 != UInt8(ascii: "I") }
    return !isInitial && !Self.titles.contains { word.elementsEqual($0) }
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}

extension ArraySlice<UInt8> {
  fileprivate func hasSuffix(_ end: [UInt8]) -> Bool {
    count >= end.count && suffix(end.count).elementsEqual(end)
  }
}
