import Foundation
import JSON
import Records

/// One run of `tca-lab bench`: its rows, and where they come from.
public struct BenchResult: Sendable {
  /// In the order of ``BenchRowName``.
  public var rows: [BenchRow]
  public var provenance: BenchProvenance

  public init(rows: [BenchRow], provenance: BenchProvenance) {
    self.rows = rows
    self.provenance = provenance
  }

  /// The rows as `--json` prints them.
  public var jsonValue: JSONValue {
    let origin = provenance.jsonValue
    return .array(rows.map { $0.jsonValue(origin) })
  }
}

/// Program, machine, model, peers and settings of a run.
public struct BenchProvenance: Sendable {
  public var program: Provenance
  /// The CPU that OpenBLAS chose its kernels for.
  public var blasCore: String
  /// `OPENBLAS_…`, `OMP_…` and `GOTO_…` variables that were set: they decide the ceiling.
  public var environment: [String: String]
  public var model: String
  public var modelDigest: String
  /// Name, and versions or the reason why there is none.
  public var peers: [String: String]
  public var repeats: Int
  /// In UTC, such as "2026-02-01T12:00:00Z".
  public var date: String
  /// As typed.
  public var command: String

  public init(
    program: Provenance, blasCore: String, environment: [String: String], model: String,
    modelDigest: String, peers: [String: String], repeats: Int, date: String, command: String
  ) {
    self.program = program
    self.blasCore = blasCore
    self.environment = environment
    self.model = model
    self.modelDigest = modelDigest
    self.peers = peers
    self.repeats = repeats
    self.date = date
    self.command = command
  }

  /// Variables that decide how OpenBLAS and the peers' OpenMP work.
  public static func relevant(_ environment: [String: String]) -> [String: String] {
    environment.filter { name, _ in
      ["OPENBLAS_", "OMP_", "GOTO_", "MKL_", "KMP_"].contains { name.hasPrefix($0) }
    }
  }

  /// What makes the ceiling another one than the machine's; nil where nothing does.
  public var ceilingWarning: String? {
    guard let core = environment["OPENBLAS_CORETYPE"] else { return nil }
    return
      "OPENBLAS_CORETYPE=\(core) pins OpenBLAS to its kernels for that CPU, so sgemm is their rate and perhaps not the machine's; unset it for the machine's own ceiling"
  }

  var jsonValue: JSONValue {
    .object([
      "programVersion": .string(program.programVersion),
      "sourceState": .string(program.sourceState),
      "numericsVersion": .integer(program.numericsVersion),
      "operatingSystem": .string(program.operatingSystem), "cpu": .string(program.cpu),
      "cores": .integer(program.cores), "memoryBytes": .integer(program.memoryBytes),
      "threads": .integer(program.threads), "blas": .string(program.blas),
      "blasCore": .string(blasCore), "compiler": .string(program.compiler),
      "compilerFlags": .string(program.compilerFlags),
      "environment": .object(environment.mapValues(JSONValue.string)), "model": .string(model),
      "modelDigest": .string(modelDigest),
      "peers": .object(peers.mapValues(JSONValue.string)), "repeats": .integer(repeats),
      "date": .string(date), "command": .string(command),
    ])
  }

  /// Lines of "what: value" for people.
  public var lines: [(String, String)] {
    var lines = [
      (
        "program",
        "tca-lab \(program.programVersion), source \(program.sourceState), \(program.compiler), \(program.compilerFlags)"
      ),
      (
        "machine",
        "\(program.cpu), \(program.cores) cores, \(program.memoryBytes >> 20) MiB, \(program.operatingSystem)"
      ),
      ("threads", "\(program.threads)"),
      ("sgemm by", "\(program.blas), kernels for \(blasCore)"),
      ("model", "\(model), SHA-256 \(modelDigest.prefix(16))…"),
    ]
    lines += peers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    if !environment.isEmpty {
      let set = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      lines.append(("environment", set.joined(separator: " ")))
    }
    lines += [("repeats", "\(repeats), medians"), ("date", date), ("command", command)]
    return lines
  }
}
