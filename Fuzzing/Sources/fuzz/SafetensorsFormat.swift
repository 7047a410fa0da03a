import GGUF
import JSON
import Kernels
import Records

/// Named arrays: the header, and every array as numbers.
enum SafetensorsFormat: FuzzedFormat {
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    var header = JSONObject(["__metadata__": ["format": "pt"]])
    var end = 0
    for index in 0..<generator.index(below: 4) {
      let (type, size) = generator.element(of: types)
      let shape = (0..<generator.index(below: 4)).map { _ in generator.index(below: 4) }
      let start = end
      end += shape.reduce(size, *)
      header["t\(index)"] = [
        "dtype": .string(type), "shape": .array(shape.map(JSONValue.integer)),
        "data_offsets": [.integer(start), .integer(end)],
      ]
    }
    return file(
      .object(header), data: (0..<end).map { _ in UInt8(generator.index(below: 256)) }[...])
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    guard bytes.count >= 8 else { return nil }
    let length = bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(bytes.count - 8) else { return nil }
    let end = 8 + Int(length)
    guard let header = try? JSONValue(parsing: Array(bytes[8..<end])) else { return nil }
    return file(JSONChange.of(header, words: words, &generator), data: bytes[end...])
  }

  static func read(_ bytes: [UInt8]) {
    expectingErrors {
      let file = try SafetensorsFile(storage: ArrayStorage(bytes), name: "x.safetensors")
      for tensor in file.tensors {
        precondition(tensor.offset >= 0 && tensor.offset + tensor.byteCount <= bytes.count)
        _ = tensor.elementCount
        expectingErrors { _ = try file.tensor(tensor.name) }
        expectingErrors { _ = try file.integers(tensor.name) }
      }
      _ = try file.tensor("none")
    }
  }

  private static func file(_ header: JSONValue, data: ArraySlice<UInt8>) -> [UInt8] {
    let text = Array(header.canonicalText.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
  }

  private static let types = [
    ("F32", 4), ("F16", 2), ("BF16", 2), ("I32", 4), ("I64", 8), ("U8", 1), ("F64", 8),
  ]
  private static let words =
    ["__metadata__", "dtype", "shape", "data_offsets", "t0", "t1", "BOOL", "F8_E5M2"]
    + types.map(\.0)
}
