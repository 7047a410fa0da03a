import Kernels

/// What precedes the weights: version, metadata, the tensor table.
///
/// The layout, little-endian: "GGUF", version (4 bytes), number of tensors (8), number of keys (8);
/// for each key its name (a length of 8 bytes, then UTF-8), type (4) and value; for each tensor its
/// name, number of dimensions (4), the dimensions (8 each), type (4) and offset (8) from the data
/// section, which begins at the next multiple of the alignment (`general.alignment`, by default
/// 32). Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
///
/// Nothing in the file is trusted: counts and lengths are checked against the bytes that are left
/// before anything is allocated for them.
///
/// What is wrong does not end the reading where it can go on: a program that shows a file wants all
/// of it, one that opens it the first problem.
struct GGUFHeader {
  let version: Int
  private(set) var keys: [String] = []
  private(set) var metadata: [String: GGUFValue] = [:]
  private(set) var tensors: [GGUFTensor] = []
  /// Why the file cannot be used, in the order in which it was found.
  private(set) var problems: [GGUFError] = []

  /// The nesting depth of arrays that is accepted; no known file nests any.
  static let deepestNesting = 4
  static let defaultAlignment = 32

  /// Throws for a file that is no GGUF file, or one of another version.
  init(reading storage: any ByteStorage, file: String) throws(GGUFError) {
    var cursor = ByteCursor(storage, file: file)
    version = try Self.readVersion(&cursor)
    var entries: [TensorEntry] = []
    var isComplete = false
    do throws(GGUFError) {
      // A tensor takes at least a name's length, a dimension count, one dimension, type and offset;
      // a key at least a name's length, a type and a byte.
      let tensorCount = try readCount("tensors", minimumBytes: 32, &cursor)
      let keyCount = try readCount("metadata keys", minimumBytes: 13, &cursor)
      for index in 0..<keyCount { try readKey(index, &cursor) }
      var names: Set<String> = []
      for index in 0..<tensorCount {
        let entry = try TensorEntry(reading: &cursor, index: index, problems: &problems)
        guard names.insert(entry.name).inserted else {
          throw cursor.damaged(at: entry.position, "is there twice")
        }
        entries.append(entry)
      }
      isComplete = true
    } catch {
      problems.append(error)
    }
    let layout = TensorLayout(
      alignment: alignment(file), headerEnd: cursor.offset, file: file,
      fileBytes: cursor.byteCount)
    tensors = layout.tensors(entries)
    // Where the table ends is where the data begin: unknown if the table was not read to its end.
    if isComplete { problems += layout.problems(entries) }
  }

  /// A number that the file cannot hold is a problem, but says how far to read where it is cut off.
  private mutating func readCount(
    _ what: String, minimumBytes: Int, _ cursor: inout ByteCursor
  ) throws(GGUFError) -> Int {
    let start = cursor.offset
    let count = try cursor.integer("the number of \(what)", as: UInt64.self)
    do {
      try cursor.requireRoom(for: count, what, minimumBytes: minimumBytes, at: start)
    } catch {
      problems.append(error)
    }
    return Int(clamping: count)
  }

  private mutating func readKey(_ index: Int, _ cursor: inout ByteCursor) throws(GGUFError) {
    let start = cursor.offset
    cursor.subject = "metadata key \(index)"
    let key = try cursor.string("its name")
    cursor.subject = "metadata key \(quoted(key))"
    guard metadata[key] == nil else { throw cursor.damaged(at: start, "is there twice") }
    metadata[key] = try Self.readValue(&cursor)
    keys.append(key)
  }

  private static func readVersion(_ cursor: inout ByteCursor) throws(GGUFError) -> Int {
    let file = cursor.file
    guard cursor.byteCount >= 4 else {
      throw GGUFError(
        reason: .notGGUF, file: file, subject: nil, offset: 0,
        problem: "has \"\(cursor.byteCount)\" bytes, which is no GGUF file")
    }
    let magic = try cursor.integer("the signature", as: UInt32.self)
    guard magic == 0x4655_4747 else {
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: magic >> (8 * $0)) }
      throw GGUFError(
        reason: .notGGUF, file: file, subject: nil, offset: 0,
        problem: "begins with \(quoted(String(decoding: bytes, as: UTF8.self))), "
          + "a GGUF file begins with \"GGUF\"")
    }
    let version = try cursor.integer("the version", as: UInt32.self)
    let unsupported = { (problem: String) in
      GGUFError(reason: .unsupported, file: file, subject: nil, offset: 4, problem: problem)
    }
    switch version {
    case 2, 3: return Int(version)
    case _ where (1...3).contains(version.byteSwapped):
      throw unsupported(
        "is big-endian (version \"\(version.byteSwapped)\" the other way round); "
          + "only little-endian files are read, convert it first")
    default:
      throw unsupported(
        "is of GGUF version \"\(version)\"; versions 2 and 3 are read, convert it first")
    }
  }

  private mutating func alignment(_ file: String) -> Int {
    guard let value = metadata["general.alignment"] else { return Self.defaultAlignment }
    if let alignment = value.integer, alignment > 0, alignment & (alignment - 1) == 0,
      alignment <= UInt32.max
    {
      return alignment
    }
    problems.append(
      GGUFError(
        reason: .damaged, file: file, subject: "metadata key \"general.alignment\"", offset: nil,
        problem: "is \(value.shortText) (\(value.typeName)); allowed is a power of 2 below 2^32"))
    return Self.defaultAlignment
  }
}

// MARK: - Values

extension GGUFHeader {
  private static func readType(_ cursor: inout ByteCursor) throws(GGUFError) -> GGUFValueType {
    let start = cursor.offset
    let number = try cursor.integer("the type", as: UInt32.self)
    guard let type = GGUFValueType(rawValue: number) else {
      throw cursor.damaged(at: start, "has the unknown type \"\(number)\"; allowed are 0 to 12")
    }
    return type
  }

  private static func readValue(_ cursor: inout ByteCursor) throws(GGUFError) -> GGUFValue {
    switch try readType(&cursor) {
    case .uint8: .uint8(try cursor.integer("its value"))
    case .int8: .int8(try cursor.integer("its value"))
    case .uint16: .uint16(try cursor.integer("its value"))
    case .int16: .int16(try cursor.integer("its value"))
    case .uint32: .uint32(try cursor.integer("its value"))
    case .int32: .int32(try cursor.integer("its value"))
    case .uint64: .uint64(try cursor.integer("its value"))
    case .int64: .int64(try cursor.integer("its value"))
    case .float32: .float32(Float(bitPattern: try cursor.integer("its value")))
    case .float64: .float64(Double(bitPattern: try cursor.integer("its value")))
    case .bool: .bool(try readBool(&cursor))
    case .string: .string(try cursor.string("its value"))
    case .array: .array(try readArray(&cursor, depth: 1))
    }
  }

  private static func readBool(_ cursor: inout ByteCursor) throws(GGUFError) -> Bool {
    let start = cursor.offset
    let byte = try cursor.integer("its value", as: UInt8.self)
    guard byte <= 1 else {
      throw cursor.damaged(at: start, "has the boolean \"\(byte)\"; allowed are 0 and 1")
    }
    return byte == 1
  }

  private static func readArray(
    _ cursor: inout ByteCursor, depth: Int
  ) throws(GGUFError) -> GGUFArray {
    guard depth <= deepestNesting else {
      throw cursor.damaged("has arrays nested \"\(depth)\" deep; allowed are \(deepestNesting)")
    }
    let type = try readType(&cursor)
    let count = try cursor.count("elements", minimumBytes: type.minimumBytes)
    return switch type {
    case .uint8: .uint8(try readIntegers(&cursor, count))
    case .int8: .int8(try readIntegers(&cursor, count))
    case .uint16: .uint16(try readIntegers(&cursor, count))
    case .int16: .int16(try readIntegers(&cursor, count))
    case .uint32: .uint32(try readIntegers(&cursor, count))
    case .int32: .int32(try readIntegers(&cursor, count))
    case .uint64: .uint64(try readIntegers(&cursor, count))
    case .int64: .int64(try readIntegers(&cursor, count))
    case .float32:
      .float32(try readIntegers(&cursor, count, as: UInt32.self).map(Float.init(bitPattern:)))
    case .float64:
      .float64(try readIntegers(&cursor, count, as: UInt64.self).map(Double.init(bitPattern:)))
    case .bool: .bool(try repeated(count) { () throws(GGUFError) in try readBool(&cursor) })
    case .string:
      .string(
        try repeated(count) { () throws(GGUFError) in try cursor.string("one of its elements") })
    case .array:
      .array(
        try repeated(count) { () throws(GGUFError) in try readArray(&cursor, depth: depth + 1) })
    }
  }

  private static func readIntegers<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ cursor: inout ByteCursor, _ count: Int, as type: Integer.Type = Integer.self
  ) throws(GGUFError) -> [Integer] {
    try repeated(count) { () throws(GGUFError) in
      try cursor.integer("one of its elements", as: type)
    }
  }

  /// `count` is no larger than the file: see ``ByteCursor/count(_:minimumBytes:)``.
  private static func repeated<Element>(
    _ count: Int, _ read: () throws(GGUFError) -> Element
  ) throws(GGUFError) -> [Element] {
    var elements: [Element] = []
    elements.reserveCapacity(count)
    for _ in 0..<count { elements.append(try read()) }
    return elements
  }
}
