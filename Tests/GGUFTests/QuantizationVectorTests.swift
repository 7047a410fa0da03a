import GGUF
import Kernels
import LabTestSupport
import Testing

/// Blocks and floats from ggml's Python package; `scripts/vectors/quantization.py` wrote them.
@Suite("Quantisation vectors")
struct QuantizationVectorTests {
  let file: GGUFFile

  init() throws { file = try GGUFFile(path: GoldenFiles.path("quantization.gguf")) }

  @Test("Every format gives the reference's floats, bit for bit", arguments: BlockFormat.allCases)
  func matchesReference(format: BlockFormat) throws {
    let blocks = try file.weightMatrix("\(format.rawValue).blocks")
    let floats = try file.weightMatrix("\(format.rawValue).floats")
    #expect(blocks.format == format)
    #expect(floats.format == .f32)
    #expect((blocks.rows, blocks.columns) == (3, 512))
    let numbers = blocks.dequantizedRows(0..<3).elements
    let expected = floats.dequantizedRows(0..<3).elements
    #expect(numbers.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(Set(expected.map(\.bitPattern)).count > 100)
  }

  @Test("Metadata of every type reads as the reference wrote it")
  func metadata() throws {
    #expect(file.version == 3)
    #expect(file.metadataKeys.count == file.metadata.count)
    #expect(file.metadataKeys.prefix(3) == ["general.architecture", "scalar.uint8", "scalar.int8"])
    let scalars: [(String, GGUFValue)] = [
      ("uint8", .uint8(250)), ("int8", .int8(-120)), ("uint16", .uint16(65_000)),
      ("int16", .int16(-32_000)), ("uint32", .uint32(4_000_000_000)),
      ("int32", .int32(-2_000_000_000)), ("uint64", .uint64(1 << 63)),
      ("int64", .int64(-(1 << 62))), ("float32", .float32(0.1)), ("float64", .float64(0.1)),
      ("bool", .bool(true)), ("string", .string("naïve ✓ 日本")),
    ]
    for (name, value) in scalars { #expect(file.metadata["scalar.\(name)"] == value) }
    let arrays: [(String, GGUFArray)] = [
      ("int8", .int8([-120, -120])), ("uint16", .uint16([65_000, 65_000])),
      ("int16", .int16([-32_000, -32_000])), ("uint32", .uint32([4_000_000_000, 4_000_000_000])),
      ("int32", .int32([-2_000_000_000, -2_000_000_000])), ("uint64", .uint64([1 << 63, 1 << 63])),
      ("int64", .int64([-(1 << 62), -(1 << 62)])), ("float32", .float32([0.1, 0.1])),
      ("float64", .float64([0.1, 0.1])), ("bool", .bool([true, true])),
      ("string", .string(["naïve ✓ 日本", "naïve ✓ 日本"])), ("bytes", .uint8([0, 127, 255])),
      ("nested", .array([.int32([1, 2, 3]), .int32([4])])),
    ]
    for (name, array) in arrays { #expect(file.metadata["array.\(name)"] == .array(array)) }
  }
}
