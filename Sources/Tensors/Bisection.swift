extension Range<Int> {
  /// The first number for which `isReached` holds, or `upperBound` if it holds for none;
  /// logarithmic.
  ///
  /// - Parameter isReached: false up to some number, true from there on.
  @inlinable
  public func bisected(_ isReached: (Int) -> Bool) -> Int {
    var low = lowerBound
    var high = upperBound
    while low < high {
      let middle = low + (high - low) / 2
      if isReached(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
