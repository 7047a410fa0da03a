/// Finds the longest prompt that still fits.
enum LengthSearch {
  /// The prompt of the largest size that fits, or nil where even the least size is too long.
  ///
  /// Doubles the size until a prompt is too long, then halves the gap. Tokens need not grow with
  /// every step of the size; what is returned fits in any case.
  ///
  /// - Parameters:
  ///   - least: the smallest size that makes sense.
  ///   - most: the largest that there is text for, at least `least`.
  ///   - make: the prompt of a size; nil where it is too long.
  static func longest<Prompt>(
    from least: Int, to most: Int, _ make: (Int) throws -> Prompt?
  ) rethrows -> Prompt? {
    guard var best = try make(least) else { return nil }
    var fitting = least
    var tooLong = most + 1
    while fitting < most {
      let next = min(most, 2 * fitting)
      guard let prompt = try make(next) else {
        tooLong = next
        break
      }
      (best, fitting) = (prompt, next)
    }
    while tooLong - fitting > 1 {
      let middle = (fitting + tooLong) / 2
      if let prompt = try make(middle) {
        (best, fitting) = (prompt, middle)
      } else {
        tooLong = middle
      }
    }
    return best
  }
}
