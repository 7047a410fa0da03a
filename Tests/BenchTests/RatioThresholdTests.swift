import Bench
import Foundation
import Testing

@Suite("Ratios that must not fall")
struct RatioThresholdTests {
  private let rows = [
    BenchRow(
      .prefill512, value: 300,
      references: [
        BenchReference("arithmetic ceiling", value: 200),
        BenchReference("llama.cpp F16", value: nil, target: 1.2, problem: "not given"),
      ]),
    BenchRow(
      .tcaAttention8192, value: 4, references: [BenchReference("full attention", value: 10)]),
  ]

  private func check(_ text: String) throws -> RatioThresholds.Outcome {
    try RatioThresholds(parsing: #"{"schemaVersion": 1, "ratios": \#(text)}"#, file: "t.json")
      .check(rows)
  }

  @Test("A ratio holds at its bound: from it on where more is better, up to it where less is")
  func bounds() throws {
    let holds = try check(
      #"{"prefill-512": {"arithmetic ceiling": 1.5}, "tca-attention-8192": {"full attention": 0.4}}"#
    )
    #expect(holds.checked == 2 && holds.fallen.isEmpty && holds.unmeasured.isEmpty)
    let fallen = try check(
      #"{"prefill-512": {"arithmetic ceiling": 1.501}, "tca-attention-8192": {"full attention": 0.399}}"#
    )
    #expect(fallen.checked == 2)
    #expect(
      fallen.fallen == [
        "prefill-512: the ratio to arithmetic ceiling is 1.500; at least 1.501 is asked for",
        "tca-attention-8192: the ratio to full attention is 0.400; at most 0.399 is asked for",
      ])
  }

  @Test("A ratio that was not measured is neither held nor fallen, and is named")
  func unmeasured() throws {
    let outcome = try check(
      #"{"prefill-512": {"llama.cpp F16": 1.2}, "decode-0": {"llama.cpp, same file": 1}}"#)
    #expect(outcome.checked == 0 && outcome.fallen.isEmpty)
    #expect(
      outcome.unmeasured == ["prefill-512 to llama.cpp F16", "decode-0 to llama.cpp, same file"])
  }

  @Test(
    "A file that says something else is refused with its place",
    arguments: [
      ("[]", "is a list"), ("{", "t.json"), (#"{"ratios": {}}"#, "$.schemaVersion"),
      (#"{"schemaVersion": 2, "ratios": {}}"#, "\"2\""), (#"{"schemaVersion": 1}"#, "$.ratios"),
      (#"{"schemaVersion": 1, "ratios": {}, "ration": 1}"#, "\"ration\" is no key"),
      (#"{"schemaVersion": 1, "ratios": {"prefill-511": {}}}"#, "\"prefill-511\""),
      (#"{"schemaVersion": 1, "ratios": {"prefill-512": 2}}"#, "$.ratios.prefill-512"),
      (#"{"schemaVersion": 1, "ratios": {"sgemm": {"x": "2"}}}"#, "$.ratios.sgemm.x"),
      (#"{"schemaVersion": 1, "ratios": {"sgemm": {"x": 0}}}"#, "above 0"),
    ])
  func damaged(_ text: String, _ message: String) {
    do {
      _ = try RatioThresholds(parsing: text, file: "t.json")
      Issue.record("accepted: \(text)")
    } catch {
      #expect(error.description.hasPrefix("t.json: ") && error.description.contains(message))
    }
  }

  @Test("The committed thresholds can be read, and name rows' references as the bench does")
  func committed() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Benchmarks/thresholds.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    let thresholds = try RatioThresholds(parsing: text, file: "thresholds.json")
    #expect(!thresholds.ratios.isEmpty)
    let known: Set<String> = [
      "sgemm", "arithmetic ceiling", "bandwidth ceiling", "llama.cpp, same file", "llama.cpp F16",
      "PyTorch transformers", "full attention", "attending and selecting",
      "model file + KV + 300 MB", "the run", "timing pass of full",
    ]
    #expect(thresholds.ratios.values.allSatisfy { $0.keys.allSatisfy(known.contains) })
  }
}
