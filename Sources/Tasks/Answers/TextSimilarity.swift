/// How alike two short texts are: the ratio of Python's difflib, which the package fuzzywuzzy 0.18
/// rounds to whole percents and LongBench uses for code.
///
/// With M characters in matching blocks and T in both texts together it is 2 M / T. The first block
/// is the longest common substring (the first of equally long ones, by its place in the answer,
/// then in the expected text); more are looked for on both sides of it, and so on (Ratcliff and
/// Metzener 1988). In an expected text of 200 characters or more, a character that makes up more
/// than a hundredth of it begins no block, but may extend one.
struct TextSimilarity {
  private let answer: [Unicode.Scalar]
  private let expected: [Unicode.Scalar]
  /// Where each character stands in the expected text; none for one that is too frequent.
  private let places: [Unicode.Scalar: [Int]]

  /// 0…1, in whole hundredths; 1 for equal texts, 0 where one is empty.
  static func ratio(_ answer: PythonText, _ expected: PythonText) -> Double {
    if answer == expected { return 1 }
    if answer.isEmpty || expected.isEmpty { return 0 }
    return TextSimilarity(answer, expected).percents / 100
  }

  private init(_ answer: PythonText, _ expected: PythonText) {
    self.answer = Array(answer.scalars)
    self.expected = Array(expected.scalars)
    var places: [Unicode.Scalar: [Int]] = [:]
    for (index, scalar) in self.expected.enumerated() { places[scalar, default: []].append(index) }
    if self.expected.count >= 200 {
      let most = self.expected.count / 100 + 1
      places = places.filter { $0.value.count <= most }
    }
    self.places = places
  }

  /// Halves are rounded to even.
  private var percents: Double {
    let ratio =
      2 * Double(matching(0..<answer.count, 0..<expected.count))
      / Double(answer.count + expected.count)
    return (100 * ratio).rounded(.toNearestOrEven)
  }

  /// Characters in the matching blocks of two stretches.
  private func matching(_ left: Range<Int>, _ right: Range<Int>) -> Int {
    var waiting = [(left, right)]
    var count = 0
    while let (left, right) = waiting.popLast() {
      let block = longest(left, right)
      guard block.length > 0 else { continue }
      count += block.length
      waiting.append((left.lowerBound..<block.left, right.lowerBound..<block.right))
      waiting.append(
        (
          block.left + block.length..<left.upperBound,
          block.right + block.length..<right.upperBound
        ))
    }
    return count
  }

  private func longest(
    _ left: Range<Int>, _ right: Range<Int>
  ) -> (left: Int, right: Int, length: Int) {
    var best = (left: left.lowerBound, right: right.lowerBound, length: 0)
    // Lengths of the common stretches that end at the last character of the answer, by their end in
    // the expected text.
    var ending: [Int: Int] = [:]
    for i in left {
      var now: [Int: Int] = [:]
      for j in places[answer[i]] ?? [] where right.contains(j) {
        let length = (ending[j - 1] ?? 0) + 1
        now[j] = length
        if length > best.length { best = (i - length + 1, j - length + 1, length) }
      }
      ending = now
    }
    while best.left > left.lowerBound, best.right > right.lowerBound,
      answer[best.left - 1] == expected[best.right - 1]
    {
      best = (best.left - 1, best.right - 1, best.length + 1)
    }
    while best.left + best.length < left.upperBound, best.right + best.length < right.upperBound,
      answer[best.left + best.length] == expected[best.right + best.length]
    {
      best.length += 1
    }
    return best
  }
}
