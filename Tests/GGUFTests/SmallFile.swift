import GGUF
import Kernels
import LabTestSupport

/// A valid file of about 900 bytes with metadata of every kind and three tensors, to read, damage and cut.
enum SmallFile {
  static func writer(version: UInt32 = 3) -> GGUFWriter {
    var writer = GGUFWriter(version: version)
    writer.add("general.architecture", .string("llama"))
    writer.add("llama.block_count", .uint32(2))
    writer.add("llama.rope.freq_base", .float32(10_000))
    writer.add("a.byte", .uint8(200))
    writer.add("a.long", .int64(-5))
    writer.add("a.huge", .uint64(.max))
    writer.add("a.double", .float64(0.1))
    writer.add("a.flag", .bool(true))
    writer.add("tokens", .array(.string(["a", "", "Ġthe", "日本"])))
    writer.add("types", .array(.int32([1, -3])))
    writer.add("scores", .array(.float32([0.5, -1])))
    writer.add("flags", .array(.bool([true, false])))
    writer.add("nested", .array(.array([.uint16([1, 2]), .array([.string(["x"])])])))
    writer.add("empty", .array(.uint32([])))
    add("vector.weight", [3], .f32, to: &writer)
    add("matrix.weight", [64, 2], .q4_1, to: &writer)
    add("cube.weight", [2, 3, 2], .f16, to: &writer)
    return writer
  }

  static func bytes(version: UInt32 = 3) -> [UInt8] { writer(version: version).encoded() }

  static func open(_ bytes: [UInt8]) throws(GGUFError) -> GGUFFile {
    try GGUFFile(storage: ArrayStorage(bytes), name: "small.gguf")
  }

  /// The error that opening gives, as text; "opened" if there is none.
  static func message(_ bytes: [UInt8]) -> String {
    do {
      _ = try open(bytes)
      return "opened"
    } catch {
      return "\(error)"
    }
  }

  /// A file with nothing but these tensors.
  static func message(tensors: [GGUFWriter.Tensor], alignment: Int? = nil) -> String {
    var writer = GGUFWriter()
    if let alignment { writer.add("general.alignment", .uint32(UInt32(alignment))) }
    for tensor in tensors { writer.add(tensor) }
    return message(writer.encoded())
  }

  private static func add(
    _ name: String, _ dimensions: [Int], _ format: BlockFormat, to writer: inout GGUFWriter
  ) {
    let count = dimensions.reduce(1, *)
    let bytes = (0..<count / format.elementsPerBlock * format.bytesPerBlock).map {
      UInt8(truncatingIfNeeded: 31 &* $0)
    }
    writer.add(tensor: name, dimensions: dimensions, format: format, bytes: bytes)
  }
}

extension [UInt8] {
  /// A copy with a little-endian integer written over some bytes.
  func replacing<Integer: FixedWidthInteger>(at offset: Int, with value: Integer) -> [UInt8] {
    var copy = self
    for index in 0..<Integer.bitWidth / 8 {
      copy[offset + index] = UInt8(truncatingIfNeeded: value >> Integer(8 * index))
    }
    return copy
  }

  /// Where a text first stands.
  func offset(of text: String) -> Int {
    let pattern = Array(text.utf8)
    return indices.first { self[$0...].starts(with: pattern) } ?? -1
  }
}
