extension Int {
  /// With the noun that it counts, as a sentence has them: `1 cell`, `2 cells`.
  public func counting(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}
