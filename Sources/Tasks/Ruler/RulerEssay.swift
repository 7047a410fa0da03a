/// A corpus as RULER's essay: words with single spaces between them, going on from the beginning
/// after the end.
struct RulerEssay {
  /// The text twice, with a space between.
  private let bytes: [UInt8]
  /// Byte offset at which each word begins.
  private let wordStarts: [Int]
  /// Byte offsets at which sentences begin, the first 0.
  private let sentenceStarts: [Int]
  let wordCount: Int

  init(_ corpus: Corpus) throws(TaskError) {
    // By scalars: in a grapheme cluster white space takes the marks after it along.
    let words = corpus.text.unicodeScalars.split(whereSeparator: PythonText.isSpace).map {
      String($0)
    }
    guard !words.isEmpty else {
      throw TaskError(
        task: RulerTask.description.name, problem: "the corpus \"\(corpus.name)\" has no words")
    }
    wordCount = words.count
    let bytes = Array((words + words).joined(separator: " ").utf8)
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: " ") {
      starts.append(offset + 1)
    }
    self.bytes = bytes
    wordStarts = starts
    sentenceStarts = [0] + SentenceScanner(bytes).sentences().starts.filter { $0 < bytes.count }
  }

  /// The word with which some sentence of the text begins; every sentence has a number below 2^30
  /// that leads to it.
  func sentence(_ number: Int) -> Int {
    let once = sentenceStarts.prefix { $0 < wordStarts[wordCount] }
    return Self.index(in: wordStarts, of: once[number % once.count])
  }

  /// A stretch of `wordCount` words, cut at sentences.
  ///
  /// - Parameters:
  ///   - first: the word with which it begins.
  ///   - depths: percents of the stretch's sentences, ascending.
  /// - Returns: one part more than depths, without spaces at their ends; one may be empty.
  func parts(_ first: Int, wordCount: Int, depths: [Int]) -> [String] {
    let start = wordStarts[first]
    let last = first + wordCount
    let end = last < wordStarts.count ? wordStarts[last] - 1 : bytes.count
    let from = Self.index(in: sentenceStarts, of: start)
    let sentences = Array(sentenceStarts[from...].prefix { $0 < end })
    var cuts = depths.map { depth in
      let sentence = Int(Double(sentences.count) * (Double(depth) / 100))
      return sentence < sentences.count ? sentences[sentence] : end + 1
    }
    cuts = [start] + cuts + [end + 1]
    return zip(cuts, cuts.dropFirst()).map { from, to in
      from < to ? String(decoding: bytes[from..<to - 1], as: UTF8.self) : ""
    }
  }

  /// The place of an element in a sorted array, or of the first one after it.
  private static func index(in sorted: [Int], of element: Int) -> Int {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < element { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
