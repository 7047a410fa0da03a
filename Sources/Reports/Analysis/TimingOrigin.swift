import Records

/// The machine and the build that times come from: those of different ones are shown, each for itself, and never taken
/// together.
struct TimingOrigin: Sendable, Hashable {
  let machine: String
  let build: String

  init(_ provenance: Provenance) {
    machine = "\(provenance.cpu), \(NumberFormat.counted(provenance.cores, "core"))"
    build = [provenance.sourceState, provenance.compilerFlags, provenance.blas].joined(
      separator: ", ")
  }

  /// Whether the times of all these groups may be taken together.
  static func isOne(of groups: [IndexedGroup]) -> Bool {
    Set(groups.compactMap(\.origin)).count <= 1
  }
}
