import Records

/// The machine and the build that times come from: those of different ones are shown, each for itself, and never taken
/// together.
struct TimingOrigin: Sendable, Hashable {
  let machine: String
  let build: String

  init(_ provenance: Provenance) {
    machine = "\(provenance.cpu), \(provenance.cores) cores"
    build = [provenance.sourceState, provenance.compilerFlags, provenance.blas].joined(
      separator: ", ")
  }

  /// Whether all of these times may be taken together.
  static func isOne(of timings: some Sequence<CellTiming?>) -> Bool {
    Set(timings.compactMap { $0?.group.origin }).count <= 1
  }
}
