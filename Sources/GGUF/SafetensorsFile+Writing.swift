import Foundation

extension SafetensorsFile {
  /// A tensor to write: its numbers, row-major.
  public typealias Contents = (name: String, shape: [Int], values: [Float])

  /// Writes floats as F32, in the order given; the same input gives the same bytes. The file
  /// appears under its name only when it is complete.
  ///
  /// Traps unless each tensor has as many numbers as its shape says and a unique name. Throws
  /// `cannotOpen` if the file cannot be written.
  public static func write(
    _ tensors: [Contents], metadata: [String: String] = [:], to path: String
  ) throws(SafetensorsError) {
    do {
      try encoded(tensors, metadata: metadata)
        .write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw SafetensorsError(
        reason: .cannotOpen, file: path,
        problem: "cannot be written: \(error.localizedDescription)")
    }
  }

  /// The bytes of such a file.
  public static func encoded(_ tensors: [Contents], metadata: [String: String]) throws -> Data {
    var entries: [(name: String, entry: HeaderText.Entry)] = []
    var end = 0
    for (name, shape, values) in tensors {
      precondition(
        shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
        "SafetensorsFile.write: \"\(name)\" has \(values.count) numbers for the shape \(shape)")
      let start = end
      end += values.count * MemoryLayout<Float>.size
      entries.append((name, .init(dtype: "F32", shape: shape, dataOffsets: [start, end])))
    }
    let names = Set(entries.map(\.name))
    precondition(
      names.count == tensors.count && !names.contains(HeaderText.metadataKey.stringValue),
      "SafetensorsFile.write: names must differ from each other and from \"__metadata__\": \(names)"
    )

    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var header = try encoder.encode(HeaderText(entries: entries, metadata: metadata))
    // Spaces until the numbers begin at a multiple of 8, as the format recommends.
    header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))

    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + header.count + end)
    let length = UInt64(header.count)
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: length >> shift))
    }
    bytes.append(contentsOf: header)
    for (_, _, values) in tensors {
      for value in values {
        let bits = value.bitPattern
        bytes.append(UInt8(truncatingIfNeeded: bits))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
        bytes.append(UInt8(truncatingIfNeeded: bits >> 24))
      }
    }
    return Data(bytes)
  }
}
