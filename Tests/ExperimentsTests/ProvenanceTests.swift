import Foundation
import Records
import Testing

@testable import Experiments

@Suite("Provenance")
struct ProvenanceTests {
  @Test("The recorded dependency versions are those that Package.swift pins")
  func dependencies() throws {
    let manifest = try String(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Package.swift"), encoding: .utf8)
    for (package, version) in Provenance.dependencyVersions {
      #expect(manifest.contains("/\(package)\", exact: \"\(version)\""), "\(package)")
    }
  }
}
