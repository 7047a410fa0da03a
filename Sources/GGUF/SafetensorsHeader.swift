import JSON
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
    let header = try Self.parsed(json, file)
    metadata = try Self.metadata(header, file)

    let dataStart = 8 + json.count
    var tensors: [SafetensorsFile.Tensor] = []
    var names: Set<String> = []
    for (name, value) in header.members where name != HeaderText.metadataKey.stringValue {
      guard names.insert(name).inserted else {
        throw Self.damaged(file, "tensor \(quoted(name))", "stands twice in the header")
      }
      let entry = try Self.entry(value, name, file)
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

  private static func parsed(
    _ json: [UInt8], _ file: String
  ) throws(SafetensorsError) -> JSONObject {
    // The format asks for an object from the first byte on.
    guard let first = json.first else {
      throw damaged(file, nil, "has an empty header; allowed is a JSON object")
    }
    guard first == UInt8(ascii: "{") else {
      let text = String(decoding: json.prefix(16), as: UTF8.self)
      throw damaged(
        file, nil,
        "its header begins with \(quoted(text)) at byte 8; allowed is a JSON object, \"{\" first")
    }
    do throws(JSONError) {
      guard case .object(let members) = try JSONValue(parsing: json) else { return JSONObject() }
      return members
    } catch {
      var subject: String?
      if case .key(let name)? = error.path.components.first,
        name != HeaderText.metadataKey.stringValue
      {
        subject = "tensor \(quoted(name))"
      }
      throw damaged(
        file, subject, "its header is no JSON at byte \(8 + error.offset): \(error.message)")
    }
  }

  private static func metadata(
    _ header: JSONObject, _ file: String
  ) throws(SafetensorsError) -> [String: String] {
    let key = HeaderText.metadataKey.stringValue
    guard let value = header[key], !value.isNull else { return [:] }
    guard let members = value.objectValue else {
      throw damaged(file, nil, "has the \(key) \(shown(value)); allowed is an object of strings")
    }
    var metadata: [String: String] = [:]
    for (name, value) in members {
      guard let text = value.stringValue else {
        throw damaged(
          file, nil, "has \(shown(value)) for \(quoted(name)) in its \(key); allowed is a string")
      }
      metadata[name] = text
    }
    return metadata
  }

  private static func entry(
    _ value: JSONValue, _ name: String, _ file: String
  ) throws(SafetensorsError) -> HeaderText.Entry {
    let subject = "tensor \(quoted(name))"
    guard value.objectValue != nil else {
      throw damaged(
        file, subject, "is \(shown(value)); allowed is an object with dtype, shape and data_offsets"
      )
    }
    func member<Kind>(
      _ key: String, _ allowed: String, _ read: (JSONValue) -> Kind?
    ) throws(SafetensorsError) -> Kind {
      guard let member = value[key] else {
        throw damaged(file, subject, "has no \(key); allowed is \(allowed)")
      }
      guard let read = read(member) else {
        throw damaged(file, subject, "has the \(key) \(shown(member)); allowed is \(allowed)")
      }
      return read
    }
    func wholeNumbers(_ value: JSONValue) -> [Int]? {
      guard let elements = value.arrayValue else { return nil }
      let numbers = elements.compactMap(\.integerValue)
      return numbers.count == elements.count ? numbers : nil
    }
    return HeaderText.Entry(
      dtype: try member("dtype", "a string", \.stringValue),
      shape: try member("shape", "a list of whole numbers", wholeNumbers),
      dataOffsets: try member("data_offsets", "a list of two whole numbers", wholeNumbers))
  }

  private static func shown(_ value: JSONValue) -> String { quoted(value.shortText) }

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

/// The header as it is written.
struct HeaderText: Encodable {
  struct Entry: Encodable {
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

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if !metadata.isEmpty { try container.encode(metadata, forKey: Self.metadataKey) }
    for (name, entry) in entries {
      try container.encode(entry, forKey: Key(stringValue: name))
    }
  }
}
