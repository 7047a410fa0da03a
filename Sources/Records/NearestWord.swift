/// Finds the known word that somebody probably meant.
public enum NearestWord {
  /// The word of `known` nearest to `word`: at most a third of its letters are missing, superfluous, wrong or
  /// swapped with their neighbour; case, hyphens, underscores and blanks don't count. A word of which `word` is a part,
  /// or the beginning of `word`, is the second choice; nil where nothing is near.
  public static func to(_ word: String, among known: [String]) -> String? {
    let wanted = letters(of: word)
    // Nobody meant a known word by a text of this length.
    guard !wanted.isEmpty, wanted.count <= 60 else { return nil }
    let candidates = known.map { (word: $0, letters: letters(of: $0)) }
    let distances = candidates.map { ($0.word, distance(Array(wanted), Array($0.letters))) }
    if let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= max(1, wanted.count / 3) {
      return best.0
    }
    guard wanted.count >= 3 else { return nil }
    return candidates.first { candidate in
      candidate.letters.contains(wanted)
        || candidate.letters.count >= 3 && wanted.starts(with: candidate.letters)
    }?.word
  }

  private static func letters(of word: String) -> String {
    word.lowercased().filter { !"-_ ".contains($0) }
  }

  /// Damerau and Levenshtein's distance, neighbours swapped at most once (optimal string alignment).
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          best = min(best, beforeLast[j - 1] + 1)
        }
        row.append(best)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}
