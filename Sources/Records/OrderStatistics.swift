extension [Double] {
  /// The arithmetic mean; nil without values.
  public var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }

  /// The middle value, or the mean of the two middle ones; nil without values.
  public var median: Double? {
    guard !isEmpty else { return nil }
    let sorted = sorted()
    let middle = count / 2
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The value at `fraction`, in 0…1, of the ascending order, linear between neighbours (numpy's default); nil without
  /// values.
  public func quantile(_ fraction: Double) -> Double? {
    isEmpty ? nil : sorted().quantile(ofSorted: fraction)
  }

  /// The same of values that are ascending already; traps without values.
  public func quantile(ofSorted fraction: Double) -> Double {
    precondition(!isEmpty, "quantile(ofSorted:) of no values")
    let position = fraction * Double(count - 1)
    let below = Int(position)
    guard below + 1 < count else { return self[count - 1] }
    return self[below] + (position - Double(below)) * (self[below + 1] - self[below])
  }
}
