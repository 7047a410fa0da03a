import Bench
import JSON
import Records
import Testing

@Suite("Rows of a bench and their verdicts")
struct BenchRowTests {
  /// A row where more is better, or less.
  private func row(
    _ better: Polarity, value: Double, _ references: BenchReference...
  ) -> BenchRow {
    BenchRow(better == .higher ? .prefill512 : .memory8192, value: value, references: references)
  }

  @Test("Where more is better a target is reached from its ratio on, where less is up to it")
  func reached() {
    let peer = { (target: Double?) in BenchReference("peer", value: 100, target: target) }
    #expect(row(.higher, value: 200, peer(2)).verdict == .met)
    #expect(row(.higher, value: 199, peer(2)).verdict == .short)
    #expect(row(.lower, value: 50, peer(0.5)).verdict == .met)
    #expect(row(.lower, value: 51, peer(0.5)).verdict == .short)
    #expect(row(.higher, value: 200, peer(2)).ratio(to: peer(2)) == 2)
    #expect(row(.lower, value: 40, peer(0.5)).margin(to: peer(0.5)) == 0.5 / 0.4)
  }

  @Test("Without a target, or without a figure of a peer that has one, the verdict is no peer")
  func noPeer() {
    #expect(row(.higher, value: 200).verdict == .noPeer)
    #expect(row(.higher, value: 200, BenchReference("ceiling", value: 100)).verdict == .noPeer)
    let absent = BenchReference("F16", value: nil, target: 1.2, problem: "not given")
    let measured = BenchReference("same", value: 50, target: 2)
    #expect(row(.higher, value: 200, absent).verdict == .noPeer)
    #expect(row(.higher, value: 200, measured, absent).verdict == .noPeer)
    // What is missed is missed, whatever else was not measured.
    #expect(row(.higher, value: 99, measured, absent).verdict == .short)
  }

  @Test("A figure that is no number meets nothing")
  func notANumber() {
    let peer = BenchReference("peer", value: 100, target: 2)
    #expect(row(.higher, value: .nan, peer).verdict == .noPeer)
    #expect(row(.higher, value: 200, BenchReference("p", value: 0, target: 2)).verdict == .noPeer)
    #expect(
      row(.higher, value: 200, BenchReference("p", value: .nan, target: 2)).verdict == .noPeer)
  }

  @Test("Of several references the one whose target is hardest to reach stands for the row")
  func deciding() {
    let same = BenchReference("same", value: 100, target: 2)  // 2.5 of 2
    let half = BenchReference("F16", value: 200, target: 1.2)  // 1.25 of 1.2
    let shown = BenchReference("Q4_0", value: 240)
    let all = row(.higher, value: 250, shown, same, half)
    #expect(all.decidingReference == half && all.verdict == .met)
    #expect(row(.higher, value: 250, shown).decidingReference == shown)
    #expect(row(.higher, value: 250).decidingReference == nil)
    let absent = BenchReference("F16", value: nil, target: 1.2, problem: "not given")
    #expect(row(.higher, value: 250, absent, shown).decidingReference == shown)
  }

  @Test("A row is the median of its samples with half the distance of their quartiles over it")
  func samples() {
    let row = BenchRow(.decode0, samples: [100, 90, 110, 95, 105])
    #expect(row.value == 100 && row.samples == 5)
    #expect(row.spread == 0.05)
    #expect(BenchRow(.decode0, samples: [7]).spread == nil)
    #expect([Double]().spread == nil && [0.0, 0].spread == nil)
  }

  @Test("JSON has the agreed keys, null where there is no reference, and every reference of a row")
  func json() throws {
    let peer = BenchReference("same", value: 100, target: 2, spread: 0.01)
    let absent = BenchReference("F16", value: nil, target: 1.2, problem: "not given")
    let json = row(.higher, value: 150, peer, absent).jsonValue(["cpu": "x"])
    #expect(json["name"] == "prefill-512" && json["unit"] == "tokens/s")
    #expect(json["value"] == 150 && json["better"] == "higher")
    #expect(json["reference"] == 100 && json["ratio"] == 1.5 && json["target"] == 2)
    #expect(json["verdict"] == "short" && json["provenance"] == ["cpu": "x"])
    #expect(json["references"]?[0]?["reached"] == false)
    #expect(json["references"]?[1]?["value"] == .null)
    #expect(json["references"]?[1]?["problem"] == "not given")
    let alone = BenchRow(.sgemm, value: 400, details: ["before": .nan]).jsonValue(.null)
    #expect(alone["reference"] == .null && alone["ratio"] == .null && alone["target"] == .null)
    #expect(alone["verdict"] == "no peer" && alone["details"] == ["before": .null])
    // What is printed can be read again.
    #expect(try JSONValue(parsing: json.prettyText) == json)
  }

  @Test("The rows that scripts rely upon exist, in their order")
  func names() {
    let promised = [
      "sgemm", "bandwidth", "attention-dense-8192", "prefill-512", "prefill-2048", "prefill-8192",
      "decode-0", "decode-8192", "tca-attention-4096", "tca-attention-8192", "tca-decode-8192",
      "memory-8192",
    ]
    let names = BenchRowName.allCases.map(\.rawValue)
    #expect(names.filter(promised.contains) == promised)
    #expect(BenchRowName.allCases.allSatisfy { !$0.unit.isEmpty && !$0.summary.isEmpty })
  }
}
