import Bench
import CustomDump
import Records
import Testing

@Suite("Tables and pages of a bench")
struct BenchRenderingTests {
  private static let rows = [
    BenchRow(.sgemm, samples: [420, 430, 431], details: ["before": 430, "after": 420]),
    BenchRow(
      .prefill512, samples: [1898, 1900, 1890],
      references: [
        BenchReference("llama.cpp, same file", value: 500, target: 2),
        BenchReference("llama.cpp F16", value: 1600, target: 1.2),
        BenchReference("llama.cpp Q4_0", value: nil, problem: "no Q4_0 file | of the model"),
        BenchReference("arithmetic ceiling", value: 1084),
      ]),
    BenchRow(
      .tcaAttention8192, value: 1.25,
      references: [BenchReference("full attention", value: 3, target: 0.45)],
      notes: ["The target is the effective density + 0.05"]),
  ]

  private static func provenance(_ environment: [String: String] = [:]) -> BenchProvenance {
    BenchProvenance(
      program: Provenance(
        programVersion: "1.2.3", sourceState: "abc", numericsVersion: 1, operatingSystem: "Linux",
        cpu: "A CPU", cores: 2, memoryBytes: 8 << 30, blas: "OpenBLAS", blasThreadsPerCall: 1,
        threads: 2, compiler: "Swift", compilerFlags: "release", dependencies: [:]),
      blasCore: "Haswell", environment: environment, model: "tiny",
      modelDigest: "0123456789abcdef01",
      peers: ["PyTorch": "not given", "llama.cpp": "version 1"], repeats: 3,
      date: "2026-01-01T00:00:00Z", command: "tca-lab bench")
  }

  @Test("The deciding reference stands in a row's first line, the others below it")
  func cells() {
    expectNoDifference(
      BenchTable(Self.rows).cells.map { $0.joined(separator: ";") },
      [
        "sgemm;430.0;1.3 %;GFLOP/s;higher;–;–;–;–;no peer",
        "prefill-512;1898;0.3 %;tokens/s;higher;llama.cpp F16;1600;1.186;1.200;short",
        ";;;;;llama.cpp, same file;500.0;3.796;2.000;(reached)",
        ";;;;;llama.cpp Q4_0;not measured;–;–;",
        ";;;;;arithmetic ceiling;1084;1.751;–;",
        "tca-attention-8192;1.250;;s;lower;full attention;3.000;0.417;0.450;met",
      ])
  }

  @Test("The page holds provenance, table, what each row is, and why a peer is missing")
  func page() {
    let environment = BenchProvenance.relevant([
      "OPENBLAS_CORETYPE": "Haswell", "HOME": "/root", "OMP_NUM_THREADS": "2",
    ])
    #expect(environment.keys.sorted() == ["OMP_NUM_THREADS", "OPENBLAS_CORETYPE"])
    let result = BenchResult(rows: Self.rows, provenance: Self.provenance(environment))
    let page = BenchReport(result).markdown
    for text in [
      "| machine | A CPU, 2 cores, 8192 MiB, Linux |\n",
      "| sgemm by | OpenBLAS, kernels for Haswell |\n",
      "| environment | OMP_NUM_THREADS=2 OPENBLAS_CORETYPE=Haswell |\n",
      "Note: OPENBLAS_CORETYPE=Haswell pins", "| command | tca-lab bench |\n",
      "| prefill-512 | 1898 | 0.3 % | tokens/s | higher | llama.cpp F16 | 1600 | 1.186 | 1.200 | short |\n",
      "- `sgemm`: OpenBLAS, 2,048 x 2,048 x 2,048, with all threads, before and after the other rows; 3 samples. after 420.0, before 430.0.\n",
      "1 samples. The target is the effective density + 0.05.\n",
      "- prefill-512: llama.cpp Q4_0: no Q4_0 file | of the model\n",
    ] {
      #expect(page.contains(text), "\(text)\n\(page)")
    }
    let lines = page.split(separator: "\n").filter { $0.hasPrefix("| ") }
    #expect(lines.allSatisfy { $0.hasSuffix(" |") })
    let plain = BenchReport(BenchResult(rows: [], provenance: Self.provenance())).markdown
    #expect(!plain.contains("Note:") && !plain.contains("Not measured"))
  }

  @Test("Every row in JSON carries the run's provenance")
  func json() throws {
    let json = BenchResult(rows: Self.rows, provenance: Self.provenance()).jsonValue
    let rows = try #require(json.arrayValue)
    #expect(rows.map { $0["name"]?.stringValue } == Self.rows.map(\.name.rawValue))
    for row in rows {
      #expect(row["provenance"]?["cpu"] == "A CPU" && row["provenance"]?["threads"] == 2)
      #expect(row["provenance"]?["modelDigest"] == "0123456789abcdef01")
      #expect(row["provenance"]?["peers"]?["PyTorch"] == "not given")
    }
  }
}
