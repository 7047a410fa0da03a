import Foundation
import GGUF
import Kernels
import LabTestSupport
import Records
import Testing

@Suite("Safetensors")
struct SafetensorsTests {
  static func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(8 * $0)) }
      + Array(header.utf8) + data
  }

  static func open(_ bytes: [UInt8]) throws(SafetensorsError) -> SafetensorsFile {
    try SafetensorsFile(storage: ArrayStorage(bytes), name: "t.safetensors")
  }

  static func message(_ bytes: [UInt8]) -> String {
    do {
      _ = try open(bytes)
      return "opened"
    } catch {
      return "\(error)"
    }
  }

  static func message(_ header: String, data: Int = 0) -> String {
    message(file(header, data: [UInt8](repeating: 0, count: data)))
  }

  static let valid = file(
    #"{"__metadata__":{"made by":"hand"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
      + #""b\u0041":{"dtype":"F16","shape":[2,2],"data_offsets":[8,16]},"#
      + #""c":{"dtype":"BF16","shape":[],"data_offsets":[16,18]},"#
      + #""d":{"dtype":"I32","shape":[1],"data_offsets":[18,22]},"#
      + #""e":{"dtype":"F32","shape":[0,3],"data_offsets":[22,22]},"#
      + #""f":{"dtype":"I64","shape":[1],"data_offsets":[22,30]}}  "#,
    data: [
      0, 0, 128, 63, 0, 0, 0, 192, 0, 60, 0, 188, 0, 0, 0, 124, 128, 63, 254, 255, 255, 255, 7, 0,
      0, 0, 0, 1, 0, 0,
    ])

  @Test("Every readable type gives its numbers")
  func values() throws {
    let file = try Self.open(Self.valid)
    #expect(file.metadata == ["made by": "hand"])
    #expect(file.tensors.map(\.name) == ["a", "bA", "c", "d", "e", "f"])
    #expect(try file.tensor("a") == ([2], [1, -2]))
    #expect(try file.tensor("bA") == ([2, 2], [1, -1, 0, .infinity]))
    #expect(try file.tensor("c") == ([], [1]))
    #expect(try file.integers("d") == ([1], [-2]))
    #expect(try file.tensor("e") == ([0, 3], []))
    #expect(try file.integers("f") == ([1], [1_099_511_627_783]))
  }

  @Test("The golden files open, and one that another library wrote has its shapes")
  func golden() throws {
    let input = try SafetensorsFile(path: GoldenFiles.path("attend-input.safetensors"))
    #expect(input.tensors.map(\.name) == ["k", "q", "v"])
    let (shape, values) = try input.tensor("q")
    #expect(shape == [4, 256, 16])
    #expect(values.allSatisfy { $0.isFinite && abs($0) < 100 })
    let model = try SafetensorsFile(path: GoldenFiles.path("golden_model.safetensors"))
    #expect(try model.integers("rope.pos").shape == [5])
    #expect(try model.tensor("rope.interleaved").shape == [5, 64])
  }

  @Test("What is written reads the same, and the same input gives the same bytes")
  func roundTrip() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/out.safetensors"
      let tensors: [SafetensorsFile.Contents] = [
        ("z/\"quoted\" ü", [2, 3], [1, -2, 3.25, .infinity, 1e-38, -0.0]), ("empty", [0, 4], []),
        ("scalar", [], [7]),
      ]
      try SafetensorsFile.write(tensors, metadata: ["tool": "test", "a": "b\n"], to: path)
      let file = try SafetensorsFile(path: path)
      #expect(file.metadata == ["tool": "test", "a": "b\n"])
      for (name, shape, values) in tensors {
        let read = try file.tensor(name)
        #expect(read.shape == shape)
        #expect(read.values.map(\.bitPattern) == values.map(\.bitPattern))
      }
      #expect(file.tensors.first { $0.byteCount > 0 }.map { $0.offset % 8 } == 0)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      try SafetensorsFile.write(tensors, metadata: ["a": "b\n", "tool": "test"], to: path)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    }
  }

  @Test("A tensor that is absent or of another type says what there is")
  func missing() throws {
    let file = try Self.open(Self.valid)
    func message(_ name: String, integers: Bool = false) -> String {
      do {
        if integers { _ = try file.integers(name) } else { _ = try file.tensor(name) }
        return "read"
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message("q")
        == "t.safetensors: tensor \"q\": is not in this file, which has \"a\", \"bA\", \"c\", \"d\", \"e\", \"f\""
    )
    #expect(
      message("d")
        == "t.safetensors: tensor \"d\": has the type \"I32\"; allowed here are F32, F16, BF16")
    #expect(
      message("a", integers: true)
        == "t.safetensors: tensor \"a\": has the type \"F32\"; allowed here are I32, I64")
  }

  @Test("Headers that lie about their length are refused")
  func headerLength() {
    #expect(
      Self.message([1, 2, 3]) == "t.safetensors: has \"3\" bytes, which is no safetensors file")
    for length in [UInt64.max, 1 << 63, 17] {
      let bytes = Self.file("{}" + String(repeating: " ", count: 14)).replacing(at: 0, with: length)
      #expect(
        Self.message(bytes)
          == "t.safetensors: says that its header has \"\(length)\" bytes; allowed are at most 16 in a file of 24 bytes; it is cut off, damaged or no safetensors file"
      )
    }
  }

  @Test(
    "Each contradiction in a header is named",
    arguments: [
      ("", 0, "has an empty header; allowed is a JSON object"),
      (" {}", 0, #"its header begins with " {}" at byte 8; allowed is a JSON object, "{" first"#),
      (
        #"{"a":{"dtype":"Q9","shape":[],"data_offsets":[0,4]}}"#, 4,
        #"tensor "a": has the unknown dtype "Q9"; allowed are BF16, BOOL, F16, F32, F64, F8_E4M3, F8_E5M2, I16, I32, I64, I8, U16, U32, U64, U8"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
        #"tensor "a": has the shape "[2]" of F32, 8 bytes, and data_offsets for "4""#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3,
        #"tensor "a": has the data_offsets "[0, 4]"; allowed are a begin and an end within 0...3"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4,
        #"tensor "a": has the data_offsets "[4, 0]"; allowed are a begin and an end within 0...4"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4,
        #"tensor "a": has the data_offsets "[-4, 0]"; allowed are a begin and an end within 0...4"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4,
        #"tensor "a": has the data_offsets "[0]"; allowed are a begin and an end within 0...4"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4,
        #"tensor "a": has the shape "[-1]"; no length is below 0"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0,
        #"tensor "a": has the shape "[4611686018427387904, 4]" of F32, more than 2^63 bytes, and data_offsets for "0""#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
        6, #"tensor "b": begins at byte "117" and overlaps the tensor before it; allowed is 119"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}"#,
        9, #"tensor "b": begins at byte "120" and leaves a gap; allowed is 119"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5,
        #"has "1" bytes after its last tensor; allowed are none"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#,
        4,
        #"tensor "a": its header is no JSON at byte 61: the key "a" stands twice, first in line 1, column 2; keep one"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#,
        4,
        #"tensor "a": its header is no JSON at byte 61: the key "a" stands twice, first in line 1, column 2; keep one"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"shape":[1]}}"#, 4,
        #"tensor "a": its header is no JSON at byte 60: the key "shape" stands twice, first in line 1, column 21; keep one"#
      ),
      (
        #"{"__metadata__":{"x":"1","x":"2"}}"#, 0,
        #"its header is no JSON at byte 33: the key "x" stands twice, first in line 1, column 18; keep one"#
      ),
      (
        "{\"é\":{\"dtype\":\"F32\",\"shape\":[1] \"data_offsets\":[0,4]}}", 4,
        #"tensor "é": its header is no JSON at byte 40: a comma is missing here"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4,
        #"tensor "a": has the shape "[1.5]"; allowed is a list of whole numbers"#
      ),
      (
        #"{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}"#, 4,
        #"tensor "a": has the dtype "7"; allowed is a string"#
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1]}}"#, 4,
        #"tensor "a": has no data_offsets; allowed is a list of two whole numbers"#
      ),
      (
        #"{"a":null}"#, 0,
        #"tensor "a": is "null"; allowed is an object with dtype, shape and data_offsets"#
      ),
      (
        #"{"__metadata__":{"x":1}}"#, 0,
        #"has "1" for "x" in its __metadata__; allowed is a string"#
      ),
      (
        #"{"__metadata__":[]}"#, 0,
        #"has the __metadata__ "[]"; allowed is an object of strings"#
      ),
    ] as [(String, Int, String)])
  func contradictions(header: String, data: Int, problem: String) {
    #expect(Self.message(header, data: data) == "t.safetensors: " + problem)
  }

  @Test(
    "JSON that is not a header is an error, whatever it is",
    arguments: [
      "{", "{}}", #"{"a":1}"#, #"{"a":{"dtype":"F32","shape":[1]}}"#,
      #"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}"#, #"{"__metadata__":{"x":1}}"#,
      #"{"__metadata__":[]}"#, #"{"a":null}"#,
      "{\"a\":" + String(repeating: "[", count: 100_000),
      "{\"a\":" + String(repeating: "{\"b\":", count: 100_000),
    ])
  func notHeaders(header: String) {
    let message = Self.message(header, data: 4)
    #expect(message.hasPrefix("t.safetensors: "))
    #expect(
      message.contains("its header is no JSON at byte ") || message.contains("; allowed is "),
      "\(message)")
  }

  @Test("Cut at any byte, a file gives an error")
  func truncation() {
    for length in 0..<Self.valid.count {
      #expect(throws: SafetensorsError.self) { try Self.open(Array(Self.valid[..<length])) }
    }
  }

  @Test("Damaged at random, a file gives an error or reads within its bounds", arguments: 0..<4)
  func mutations(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "safetensors mutations")
    var opened = 0
    for _ in 0..<1_000 {
      let bytes = GGUFDamageTests.mutated(Self.valid, &generator)
      guard let file = try? Self.open(bytes) else { continue }
      opened += 1
      for tensor in file.tensors {
        #expect(tensor.offset + tensor.byteCount <= bytes.count)
        _ = try? file.tensor(tensor.name)
        _ = try? file.integers(tensor.name)
      }
    }
    #expect((1..<900).contains(opened))
  }
}
