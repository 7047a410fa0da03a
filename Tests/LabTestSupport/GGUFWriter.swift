import Foundation
import GGUF
import Kernels

/// Builds a GGUF file of version 2 or 3: a made-up model, or a damaged file for a test.
///
/// Writes what it is told: keys twice, sizes that contradict the bytes. Only the offsets are its own, in the order of
/// the tensors, aligned to `general.alignment` if that key was added, else to 32.
public struct GGUFWriter: Sendable {
  public var version: UInt32
  public private(set) var keys: [(name: String, value: GGUFValue)] = []
  public private(set) var tensors: [Tensor] = []

  public struct Tensor: Sendable {
    public var name: String
    /// A row's length first.
    public var dimensions: [Int]
    /// ggml's number of the type.
    public var type: UInt32
    public var bytes: [UInt8]

    public init(name: String, dimensions: [Int], type: UInt32, bytes: [UInt8]) {
      self.name = name
      self.dimensions = dimensions
      self.type = type
      self.bytes = bytes
    }
  }

  public init(version: UInt32 = 3) { self.version = version }

  /// A file's keys and tensors, some keys with other values: nil leaves one out, a new one is added.
  public init(copying file: GGUFFile, setting changes: [String: GGUFValue?] = [:]) {
    self.init(version: UInt32(file.version))
    for key in file.metadataKeys where changes[key] == nil {
      if let value = file.metadata[key] { add(key, value) }
    }
    for case (let key, let value?) in changes.sorted(by: { $0.key < $1.key }) { add(key, value) }
    for tensor in file.tensors {
      let bytes = file.storage.bytes
        .extracting(tensor.offset..<tensor.offset + tensor.byteCount)
        .withUnsafeBytes { Array($0) }
      tensors.append(
        Tensor(
          name: tensor.name, dimensions: tensor.dimensions, type: tensor.type.number, bytes: bytes))
    }
  }

  /// Changes the tensors: takes some out, adds, damages.
  public mutating func change(_ body: (inout [Tensor]) -> Void) { body(&tensors) }

  /// The file, in memory.
  public func file(named name: String = "tiny.gguf") throws(GGUFError) -> GGUFFile {
    try GGUFFile(storage: ArrayStorage(encoded()), name: name)
  }

  public mutating func add(_ key: String, _ value: GGUFValue) { keys.append((key, value)) }

  public mutating func add(
    tensor name: String, dimensions: [Int], format: BlockFormat, bytes: [UInt8]
  ) {
    add(
      Tensor(name: name, dimensions: dimensions, type: format.ggufTypeNumber, bytes: bytes))
  }

  public mutating func add(_ tensor: Tensor) { tensors.append(tensor) }

  public func write(to path: String) throws {
    try Data(encoded()).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// The file's bytes.
  public func encoded() -> [UInt8] {
    var bytes = Array("GGUF".utf8)
    append(version, to: &bytes)
    append(UInt64(tensors.count), to: &bytes)
    append(UInt64(keys.count), to: &bytes)
    for (name, value) in keys {
      append(name, to: &bytes)
      append(value.type.rawValue, to: &bytes)
      append(value, to: &bytes)
    }
    var offset = 0
    for tensor in tensors {
      append(tensor.name, to: &bytes)
      append(UInt32(tensor.dimensions.count), to: &bytes)
      for size in tensor.dimensions { append(UInt64(bitPattern: Int64(size)), to: &bytes) }
      append(tensor.type, to: &bytes)
      append(UInt64(offset), to: &bytes)
      offset = aligned(offset + tensor.bytes.count)
    }
    for tensor in tensors {
      pad(&bytes)
      bytes.append(contentsOf: tensor.bytes)
    }
    pad(&bytes)
    return bytes
  }

  private var alignment: Int {
    keys.first { $0.name == "general.alignment" }?.value.integer.map { max(1, $0) } ?? 32
  }

  private func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

  private func pad(_ bytes: inout [UInt8]) {
    bytes.append(contentsOf: repeatElement(0, count: aligned(bytes.count) - bytes.count))
  }
}

// MARK: - Values as bytes

extension GGUFWriter {
  private func append<Integer: FixedWidthInteger>(_ value: Integer, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: Integer.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> Integer(truncatingIfNeeded: shift)))
    }
  }

  private func append(_ text: String, to bytes: inout [UInt8]) {
    append(UInt64(text.utf8.count), to: &bytes)
    bytes.append(contentsOf: text.utf8)
  }

  private func append(_ value: GGUFValue, to bytes: inout [UInt8]) {
    switch value {
    case .uint8(let value): append(value, to: &bytes)
    case .int8(let value): append(value, to: &bytes)
    case .uint16(let value): append(value, to: &bytes)
    case .int16(let value): append(value, to: &bytes)
    case .uint32(let value): append(value, to: &bytes)
    case .int32(let value): append(value, to: &bytes)
    case .uint64(let value): append(value, to: &bytes)
    case .int64(let value): append(value, to: &bytes)
    case .float32(let value): append(value.bitPattern, to: &bytes)
    case .float64(let value): append(value.bitPattern, to: &bytes)
    case .bool(let value): append(UInt8(value ? 1 : 0), to: &bytes)
    case .string(let value): append(value, to: &bytes)
    case .array(let value): append(value, to: &bytes)
    }
  }

  private func append(_ array: GGUFArray, to bytes: inout [UInt8]) {
    append(array.elementType.rawValue, to: &bytes)
    append(UInt64(array.count), to: &bytes)
    switch array {
    case .uint8(let values): for value in values { append(value, to: &bytes) }
    case .int8(let values): for value in values { append(value, to: &bytes) }
    case .uint16(let values): for value in values { append(value, to: &bytes) }
    case .int16(let values): for value in values { append(value, to: &bytes) }
    case .uint32(let values): for value in values { append(value, to: &bytes) }
    case .int32(let values): for value in values { append(value, to: &bytes) }
    case .uint64(let values): for value in values { append(value, to: &bytes) }
    case .int64(let values): for value in values { append(value, to: &bytes) }
    case .float32(let values): for value in values { append(value.bitPattern, to: &bytes) }
    case .float64(let values): for value in values { append(value.bitPattern, to: &bytes) }
    case .bool(let values): for value in values { append(UInt8(value ? 1 : 0), to: &bytes) }
    case .string(let values): for value in values { append(value, to: &bytes) }
    case .array(let values): for value in values { append(value, to: &bytes) }
    }
  }
}
