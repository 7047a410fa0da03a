import Tokenization

/// Finds out which tokens of a prompt hold an answer.
struct AnswerPlaces {
  private let bytes: [UInt8]
  /// The first byte of each token, and the end.
  private let starts: [Int]

  init(_ tokens: [Int32], _ tokenizer: Tokenizer) {
    var bytes: [UInt8] = []
    starts =
      [0]
      + tokenizer.pieces(of: tokens).map {
        bytes += $0
        return bytes.count
      }
    self.bytes = bytes
  }

  /// The indices of the tokens that hold some of `answer`, ascending.
  ///
  /// - Parameter sentence: in which the answer stands, where it comes first in the text; none where it
  ///   does not.
  func tokens(of answer: String, in sentence: String) -> [Int] {
    guard let found = bytes.firstRange(of: Array(sentence.utf8)),
      let place = Array(sentence.utf8).ranges(of: Array(answer.utf8)).last
    else { return [] }
    let range = found.lowerBound + place.lowerBound..<found.lowerBound + place.upperBound
    return (0..<starts.count - 1).filter {
      starts[$0] < range.upperBound && starts[$0 + 1] > range.lowerBound
    }
  }
}
