import Digests
import JSON
import Records

/// What tells one plan from another: its cells in their order, with all that a plan says of them.
enum PlanIdentity {
  static func of(_ cells: [PlannedCell]) -> String {
    of(
      cells.map {
        [
          $0.cell.identity, $0.cell.model, $0.label, $0.taskLabel, $0.fullIdentity,
          $0.matchedIdentity,
        ]
      })
  }

  /// - Parameter cells: of each its identity, model, label, task label, and the identities of the full and the
  ///   matched cell.
  static func of(_ cells: [[String?]]) -> String {
    let rows = cells.map { JSONValue.array($0.map { $0.map(JSONValue.string) ?? .null }) }
    return SHA256Digest.of(JSONValue.array(rows).canonicalText)
  }
}

/// What tells one machine from another, as far as times depend on it.
enum MachineIdentity {
  static func of(_ provenance: Provenance) -> String {
    of(cpu: provenance.cpu, cores: provenance.cores, memoryBytes: provenance.memoryBytes)
  }

  static func of(cpu: String, cores: Int, memoryBytes: Int) -> String {
    SHA256Digest.of("\(cpu)\n\(cores)\n\(memoryBytes)")
  }
}
