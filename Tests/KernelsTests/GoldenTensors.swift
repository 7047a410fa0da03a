import Foundation

/// Tensors of a safetensors file: 8 bytes of header length, a JSON header, the numbers.
struct GoldenTensors {
  private let header: [String: Any]
  private let numbers: Data

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Golden")
    let data = try Data(contentsOf: folder.appendingPathComponent(name))
    let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    header =
      try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any] ?? [:]
    numbers = Data(data[(8 + length)...])
  }

  /// The floats of a tensor, empty if there is none of that name.
  func floats(_ name: String) -> [Float] { values(name) }

  func bytes(_ name: String) -> [UInt8] { values(name) }

  func integers(_ name: String) -> [Int32] { values(name) }

  private func values<Number>(_ name: String) -> [Number] {
    guard let entry = header[name] as? [String: Any],
      let offsets = entry["data_offsets"] as? [Int], offsets.count == 2
    else { return [] }
    let bytes = [UInt8](numbers[offsets[0]..<offsets[1]])
    return bytes.withUnsafeBytes { Array($0.bindMemory(to: Number.self)) }
  }
}
