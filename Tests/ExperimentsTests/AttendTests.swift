import Attention
import Foundation
import GGUF
import JSON
import LabTestSupport
import Records
import Testing
import Threads

@testable import Experiments

@Suite("A strategy on given tensors")
struct AttendTests {
  private let folder: TemporaryFolder
  private let golden: SafetensorsFile
  private let workspace = Workspace(workers: WorkerPool())
  private static let input = GoldenFiles.path("attend-input.safetensors")

  init() throws {
    folder = try TemporaryFolder()
    golden = try SafetensorsFile(path: GoldenFiles.path("golden_small.safetensors"))
  }

  private func attend(
    _ path: String, _ strategy: JSONValue, firstDecoded: Int? = nil
  ) throws -> TensorAttention {
    try TensorAttention(
      AttentionTensors(path: path), strategy: StrategyRegistry.builtIn.configure(strategy),
      firstDecoded: firstDecoded, workspace: workspace)
  }

  private static func strategy() throws -> JSONValue {
    try JSONValue(
      parsing: String(
        contentsOfFile: GoldenFiles.path("attend-tca-strategy.json"), encoding: .utf8))
  }

  private func largestDifference(_ first: [Float], _ second: [Float]) throws -> Float {
    try #require(first.count == second.count)
    return zip(first, second).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  /// All 304 tokens of the golden case.
  private func writeLong() throws -> String {
    let path = folder.path("long.safetensors")
    try SafetensorsFile.write(
      try ["q", "k", "v"].map { name in
        let tensor = try golden.tensor(name)
        return (name, tensor.shape, tensor.values)
      }, to: path)
    return path
  }

  @Test("TCA gives the golden outputs, log-sums and dropped masses, and keeps the golden tokens")
  func goldenPrefill() throws {
    let result = try attend(Self.input, Self.strategy())
    #expect(!result.isCalibratedOnItself)
    let path = folder.path("out.safetensors")
    try result.write(to: path)
    let found = try SafetensorsFile(path: path)
    let expected = try SafetensorsFile(path: GoldenFiles.path("attend-tca-expected.safetensors"))
    for name in ["out", "lse", "dropped_mass", "kept"] {
      let (found, expected) = (try found.tensor(name), try expected.tensor(name))
      #expect(found.shape == expected.shape, "\(name)")
      let difference = try largestDifference(found.values, expected.values)
      #expect(difference <= (name == "kept" ? 0 : 1e-5), "\(name): \(difference)")
    }
  }

  @Test("TCA decodes the golden outputs from token 256 on; what is kept is that of the prompt")
  func goldenDecode() throws {
    let result = try attend(writeLong(), Self.strategy(), firstDecoded: 256)
    let decoded = try golden.tensor("out_decode_tca")
    let prompt = try golden.tensor("out_tca_sliding")
    let kept = try SafetensorsFile(path: GoldenFiles.path("attend-tca-expected.safetensors"))
      .tensor("kept")
    for head in 0..<4 {
      let rows = Array(result.output[head * 304 * 16..<(head + 1) * 304 * 16])
      let decodedRows = Array(decoded.values[head * 48 * 16..<(head + 1) * 48 * 16])
      let promptRows = Array(prompt.values[head * 256 * 16..<(head + 1) * 256 * 16])
      #expect(try largestDifference(Array(rows[(256 * 16)...]), decodedRows) <= 1e-5, "\(head)")
      #expect(try largestDifference(Array(rows[..<(256 * 16)]), promptRows) <= 1e-5, "\(head)")
    }
    for head in 0..<2 {
      let row = Array(result.kept[head * 304..<(head + 1) * 304])
      #expect(Array(row[..<256]) == Array(kept.values[head * 256..<(head + 1) * 256]))
      #expect(row[256...].allSatisfy { $0 == 0 })
    }
  }

  @Test("TCA without heads calibrates on the tensors themselves, as the golden tables have it")
  func calibration() throws {
    var members = try #require(try Self.strategy().objectValue)
    // The golden tables' choices for meanMass at 0.7.
    members["heads"] = [7, 7, 9, 8]
    let listed = try attend(Self.input, .object(members))
    members["heads"] = nil
    members["criterion"] = "meanMass"
    members["threshold"] = 0.7
    let calibrated = try attend(Self.input, .object(members))
    #expect(calibrated.kept == listed.kept && calibrated.output == listed.output)
    #expect(calibrated.isCalibratedOnItself && !listed.isCalibratedOnItself)
    members["threshold"] = 0.95
    #expect(try attend(Self.input, .object(members)).output != listed.output)
  }

  @Test("Dense attention drops nothing, keeps all, and decodes what it prefills")
  func dense() throws {
    let whole = try attend(writeLong(), ["name": "full"])
    let split = try attend(writeLong(), ["name": "full"], firstDecoded: 100)
    #expect(whole.droppedMass.allSatisfy { $0 == 0 } && whole.kept.allSatisfy { $0 == 1 })
    #expect(try largestDifference(whole.output, split.output) <= 1e-5)
    #expect(try largestDifference(whole.logSumExp, split.logSumExp) <= 1e-5)
    // What the cache holds after the prefill: nothing of what is decoded.
    #expect(split.kept == (0..<2 * 304).map { $0 % 304 < 100 ? 1 : 0 })
    let expected = try SafetensorsFile(path: GoldenFiles.path("attend-tca-expected.safetensors"))
    let short = try attend(Self.input, ["name": "full"])
    #expect(try largestDifference(short.output, expected.tensor("full_out").values) <= 1e-5)
    #expect(try largestDifference(short.logSumExp, expected.tensor("full_lse").values) <= 1e-5)
  }

  @Test("A strategy that only evicts leaves the prompt's output dense and shows what it keeps")
  func evictionOnly() throws {
    let dense = try attend(Self.input, ["name": "full"])
    let result = try attend(
      Self.input,
      ["name": "streaming-llm", "sinks": 4, "localWindow": 16, "prefill": false])
    #expect(result.output == dense.output && result.logSumExp == dense.logSumExp)
    #expect(result.droppedMass.allSatisfy { $0 == 0 })
    #expect(result.kept == (0..<2 * 256).map { $0 % 256 < 4 || $0 % 256 > 240 ? 1 : 0 })
  }

  @Test("A budget becomes tokens of the prompt that is prefilled")
  func budget() throws {
    let result = try attend(
      writeLong(), ["name": "streaming-llm", "budget": ["fraction": 0.25]], firstDecoded: 200)
    // One of the 50 is the token to come.
    #expect(result.kept.reduce(0, +) == 2 * 49)
  }

  @Test("Where decoding may begin: after the first token, up to the end", arguments: [0, -1, 257])
  func queriesFrom(_ first: Int) throws {
    #expect {
      try attend(Self.input, ["name": "full"], firstDecoded: first)
    } throws: {
      "\($0)".contains("\(first)") && "\($0)".contains("allowed are 1 to 256")
    }
    // An oracle needs a future.
    let oracle = #expect(throws: ConfigurationError.self) {
      try attend(Self.input, ["name": "oracle-eviction"])
    }
    #expect(oracle?.parameter == "--queries-from")
    _ = try attend(Self.input, ["name": "oracle-eviction"], firstDecoded: 200)
    _ = try attend(Self.input, ["name": "full"], firstDecoded: 1)
    _ = try attend(Self.input, ["name": "full"], firstDecoded: 256)
  }

  // MARK: Files that cannot be used

  private typealias Shapes = (q: [Int], k: [Int], v: [Int])

  /// What is said of a file with tensors of these shapes, all numbers 0.5 but for `bad`.
  private func problem(
    _ shapes: Shapes = ([4, 8, 6], [2, 8, 6], [2, 8, 6]), bad: Float? = nil,
    metadata: [String: String] = [:], leavingOut: String? = nil
  ) throws -> String {
    let path = folder.path("case.safetensors")
    let tensors = [("q", shapes.q), ("k", shapes.k), ("v", shapes.v)].map { name, shape in
      var values = [Float](repeating: 0.5, count: shape.reduce(1, *))
      if name == "v", let bad { values[5] = bad }
      return (name: name, shape: shape, values: values)
    }
    try SafetensorsFile.write(
      tensors.filter { $0.name != leavingOut }, metadata: metadata, to: path)
    do {
      _ = try attend(path, ["name": "full"])
      return ""
    } catch {
      let text = "\(error)"
      #expect(text.contains("case.safetensors"), "\(text)")
      return text
    }
  }

  @Test("More query heads than any model has are refused")
  func manyHeads() throws {
    #expect(try problem(([1025, 1, 6], [1, 1, 6], [1, 1, 6])).contains("\"1025\" query heads"))
  }

  @Test("Shapes that do not fit together are refused by tensor, with both shapes")
  func shapes() throws {
    #expect(try problem() == "")
    #expect(try problem(([4, 8], [2, 8, 6], [2, 8, 6])).contains("\"q\" has the shape [4, 8]"))
    #expect(
      try problem(([4, 8, 6], [2, 8, 6], [2, 8, 5])).contains("\"v\" has the shape [2, 8, 5]"))
    #expect(try problem(([4, 7, 6], [2, 8, 6], [2, 8, 6])).contains("[4, 7, 6]"))
    #expect(try problem(([4, 8, 5], [2, 8, 6], [2, 8, 6])).contains("[4, 8, 5]"))
    #expect(try problem(([4, 0, 6], [2, 0, 6], [2, 0, 6])).contains("none of them 0"))
    let heads = try problem(([3, 8, 6], [2, 8, 6], [2, 8, 6]))
    #expect(heads.contains("\"3\" query heads") && heads.contains("2 KV heads"))
    #expect(try problem(leavingOut: "k").contains("\"k\""))
  }

  @Test("Every element must be finite", arguments: [Float.nan, .infinity, -.infinity])
  func finite(_ bad: Float) throws {
    let text = try problem(bad: bad)
    #expect(text.contains("tensor \"v\"") && text.contains("element 5"), "\(text)")
  }

  @Test("A result beyond float32 is refused instead of written")
  func overflow() throws {
    let path = folder.path("huge.safetensors")
    try SafetensorsFile.write(
      try ["q", "k", "v"].map { name in
        let tensor = try golden.tensor(name)
        return (name, tensor.shape, tensor.values.map { name == "v" ? $0 : $0 * 1e19 })
      }, to: path)
    let output = folder.path("out.safetensors")
    #expect(throws: AttendError.self) {
      try attend(path, ["name": "full"]).write(to: output)
    }
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test("A rotation is named whole, or not at all")
  func rotation() throws {
    #expect(try problem(metadata: ["rope_base": "10000", "rope_layout": "halfSplit"]) == "")
    #expect(try problem(metadata: ["rope_base": "10000"]).contains("rope_layout"))
    #expect(try problem(metadata: ["rope_layout": "interleaved"]).contains("rope_base"))
    for base in ["0", "-1", "ten", "inf", "nan"] {
      let text = try problem(metadata: ["rope_base": base, "rope_layout": "interleaved"])
      #expect(text.contains("\"\(base)\""), "\(text)")
    }
    #expect(
      try problem(metadata: ["rope_base": "1e4", "rope_layout": "neox"]).contains("\"halfSplit\""))
    let odd: Shapes = ([4, 8, 5], [2, 8, 5], [2, 8, 5])
    #expect(
      try problem(odd, metadata: ["rope_base": "1e4", "rope_layout": "interleaved"])
        .contains("even"))
  }

  @Test("Keys beyond what half floats hold are refused by name in such a cache, and not in float32")
  func halfOverflow() throws {
    let path = folder.path("large.safetensors")
    try SafetensorsFile.write(
      ["q", "k", "v"].map { name in
        let tensor = try golden.tensor(name)
        return (name, tensor.shape, name == "k" ? tensor.values.map { $0 * 1e5 } : tensor.values)
      }, to: path)
    let result = folder.path("result.safetensors")
    try attend(path, ["name": "full", "cache": "f32"]).write(to: result)
    let error = #expect(throws: AttendError.self) {
      try attend(path, ["name": "full", "cache": "f16"], firstDecoded: 200).write(to: result)
    }
    #expect(error.map { "\($0)".contains("65,504") } == true, "\(String(describing: error))")
  }
}
