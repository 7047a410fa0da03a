import Foundation
import Kernels

/// The checked header of a safetensors file.
struct SafetensorsHeader {
  let tensors: [SafetensorsFile.Tensor]
  let metadata: [String: String]

  /// Far above any real header, which takes about 100 bytes a tensor; bounds what parsing may cost.
  static let largestHeaderBytes = 16 << 20
  /// The format's types, with the bytes of a number.
  static let dataTypes: [String: Int] = [
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2,
    "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
  ]

  init(reading storage: any ByteStorage, file: String) throws(SafetensorsError) {
    let fileBytes = storage.bytes.byteCount
    let json = try Self.readText(storage, file)
    let header = try Self.decode(json, file)
    metadata = header.metadata

    let dataStart = 8 + json.count
    var tensors: [SafetensorsFile.Tensor] = []
    for (name, entry) in header.entries {
      let range = try Self.range(of: entry, name, dataBytes: fileBytes - dataStart, file)
      tensors.append(
        SafetensorsFile.Tensor(
          name: name, dataType: entry.dtype, shape: entry.shape,
          offset: dataStart + range.lowerBound, byteCount: range.count))
    }
    tensors.sort { ($0.offset, $0.byteCount, $0.name) < ($1.offset, $1.byteCount, $1.name) }
    try Self.requireNoGaps(tensors, from: dataStart, to: fileBytes, file)
    self.tensors = tensors
  }

  private static func readText(
    _ storage: any ByteStorage, _ file: String
  ) throws(SafetensorsError) -> [UInt8] {
    let bytes = storage.bytes
    guard bytes.byteCount >= 8 else {
      throw damaged(
        file, nil, "has \"\(bytes.byteCount)\" bytes, which is no safetensors file")
    }
    let length = UInt64(littleEndian: bytes.unsafeLoadUnaligned(as: UInt64.self))
    let limit = min(bytes.byteCount - 8, largestHeaderBytes)
    guard length <= UInt64(limit) else {
      throw damaged(
        file, nil,
        "says that its header has \"\(length)\" bytes; allowed are at most \(limit) in a file of "
          + "\(bytes.byteCount) bytes; it is cut off, damaged or no safetensors file")
    }
    return (8..<8 + Int(length)).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }

  private static func decode(
    _ json: [UInt8], _ file: String
  ) throws(SafetensorsError) -> HeaderText {
    // The format asks for an object from the first byte on; this also rules out other encodings
    // than UTF-8.
    guard json.first == UInt8(ascii: "{"), String(validating: json, as: UTF8.self) != nil else {
      throw damaged(file, nil, "its header is no JSON object in UTF-8 (after the first 8 bytes)")
    }
    let header: HeaderText
    do {
      header = try JSONDecoder().decode(HeaderText.self, from: Data(json))
    } catch {
      throw damaged(file, subject(of: error), "its header cannot be read: \(text(of: error))")
    }
    if let key = repeatedKey(in: json) {
      throw damaged(file, nil, "its header has the key \(quoted(key)) twice")
    }
    return header
  }

  private static func range(
    of entry: HeaderText.Entry, _ name: String, dataBytes: Int, _ file: String
  ) throws(SafetensorsError) -> Range<Int> {
    let subject = "tensor \(quoted(name))"
    guard let size = dataTypes[entry.dtype] else {
      throw damaged(
        file, subject,
        "has the unknown dtype \(quoted(entry.dtype)); allowed are "
          + dataTypes.keys.sorted().joined(separator: ", "))
    }
    let offsets = entry.dataOffsets
    guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataBytes
    else {
      throw damaged(
        file, subject,
        "has the data_offsets \"\(offsets.prefix(4))\"; allowed are a begin and an end within "
          + "0...\(dataBytes)")
    }
    var product: Int? = size
    for length in entry.shape {
      guard length >= 0 else {
        throw damaged(
          file, subject, "has the shape \"\(entry.shape.prefix(16))\"; no length is below 0")
      }
      let (next, overflow) = (product ?? 0).multipliedReportingOverflow(by: length)
      product = product == nil || overflow ? nil : next
    }
    let range = offsets[0]..<offsets[1]
    guard product == range.count else {
      let needed = product.map(String.init) ?? "more than 2^63"
      throw damaged(
        file, subject,
        "has the shape \"\(entry.shape.prefix(16))\" of \(entry.dtype), \(needed) bytes, and "
          + "data_offsets for \"\(range.count)\"")
    }
    return range
  }

  private static func requireNoGaps(
    _ tensors: [SafetensorsFile.Tensor], from start: Int, to end: Int, _ file: String
  ) throws(SafetensorsError) {
    var expected = start
    for tensor in tensors {
      guard tensor.offset == expected else {
        let what = tensor.offset < expected ? "overlaps the tensor before it" : "leaves a gap"
        throw damaged(
          file, "tensor \(quoted(tensor.name))",
          "begins at byte \"\(tensor.offset)\" and \(what); allowed is \(expected)")
      }
      expected += tensor.byteCount
    }
    guard expected == end else {
      throw damaged(
        file, nil, "has \"\(end - expected)\" bytes after its last tensor; allowed are none")
    }
  }

  private static func damaged(
    _ file: String, _ subject: String?, _ problem: String
  ) -> SafetensorsError {
    SafetensorsError(reason: .damaged, file: file, subject: subject, problem: problem)
  }
}

// MARK: - The header's JSON

/// The header as JSON has it.
struct HeaderText: Codable {
  struct Entry: Codable {
    let dtype: String
    let shape: [Int]
    let dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  static let metadataKey = Key(stringValue: "__metadata__")

  let entries: [(name: String, entry: Entry)]
  let metadata: [String: String]

  init(entries: [(name: String, entry: Entry)], metadata: [String: String]) {
    self.entries = entries
    self.metadata = metadata
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    var entries: [(name: String, entry: Entry)] = []
    for key in container.allKeys where key.stringValue != Self.metadataKey.stringValue {
      entries.append((key.stringValue, try container.decode(Entry.self, forKey: key)))
    }
    self.entries = entries
    metadata =
      try container.decodeIfPresent([String: String].self, forKey: Self.metadataKey) ?? [:]
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if !metadata.isEmpty { try container.encode(metadata, forKey: Self.metadataKey) }
    for (name, entry) in entries {
      try container.encode(entry, forKey: Key(stringValue: name))
    }
  }
}

/// A key that occurs twice in an object of a valid JSON text: Foundation silently keeps one of
/// them.
private func repeatedKey(in json: [UInt8]) -> String? {
  var open: [Set<String>] = []
  var lastString = 0..<0
  var index = 0
  while index < json.count {
    switch json[index] {
    case UInt8(ascii: "\""):
      let start = index
      index += 1
      while index < json.count, json[index] != UInt8(ascii: "\"") {
        index += json[index] == UInt8(ascii: "\\") ? 2 : 1
      }
      lastString = start..<min(index + 1, json.count)
    case UInt8(ascii: "{"), UInt8(ascii: "["): open.append([])
    case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
    case UInt8(ascii: ":"):
      guard let innermost = open.indices.last else { return nil }
      let key = decoded(json[lastString])
      if !open[innermost].insert(key).inserted { return key }
    default: break
    }
    index += 1
  }
  return nil
}

/// The text of a JSON string; escapes are resolved, so that they do not hide the same name.
private func decoded(_ literal: ArraySlice<UInt8>) -> String {
  let plain = String(decoding: literal.dropFirst().dropLast(), as: UTF8.self)
  guard literal.contains(UInt8(ascii: "\\")) else { return plain }
  return (try? JSONDecoder().decode(String.self, from: Data(literal))) ?? plain
}

private func context(of error: any Error) -> DecodingError.Context? {
  switch error as? DecodingError {
  case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
    .dataCorrupted(let context):
    context
  default: nil
  }
}

private func subject(of error: any Error) -> String? {
  guard let first = context(of: error)?.codingPath.first?.stringValue else { return nil }
  return "tensor \(quoted(first))"
}

private func text(of error: any Error) -> String {
  guard let context = context(of: error) else { return "\(error)" }
  let path = context.codingPath.map(\.stringValue).joined(separator: ".")
  let detail: String
  switch error as? DecodingError {
  case .keyNotFound(let key, _): detail = "\"\(key.stringValue)\" is missing"
  default:
    let underlying = context.underlyingError.map { " (\($0))" } ?? ""
    detail = context.debugDescription + underlying
  }
  return path.isEmpty ? detail : "\(detail) at \(quoted(path))"
}
