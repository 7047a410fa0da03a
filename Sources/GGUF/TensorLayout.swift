import Kernels

/// An entry of the tensor table: sizes and type are checked, its place in the data is not yet.
struct TensorEntry {
  let name: String
  let dimensions: [Int]
  let format: BlockFormat
  let byteCount: Int
  /// From the beginning of the data section.
  let dataOffset: UInt64
  /// The offset of the entry itself, for errors.
  let position: Int

  init(reading cursor: inout ByteCursor, index: Int) throws(GGUFError) {
    position = cursor.offset
    cursor.subject = "tensor \(index)"
    name = try cursor.string("its name")
    cursor.subject = "tensor \(quoted(name))"

    let countPosition = cursor.offset
    let count = try cursor.integer("the number of its dimensions", as: UInt32.self)
    guard (1...4).contains(count) else {
      throw cursor.damaged(
        at: countPosition, "has \"\(count)\" dimensions; allowed are 1 to 4")
    }
    let sizesPosition = cursor.offset
    var dimensions: [Int] = []
    for _ in 0..<count {
      let start = cursor.offset
      let size = try cursor.integer("one of its dimensions", as: UInt64.self)
      guard let size = Int(exactly: size), size > 0 else {
        throw cursor.damaged(
          at: start, "has a dimension of \"\(size)\"; allowed are 1 to \(Int.max)")
      }
      dimensions.append(size)
    }
    self.dimensions = dimensions

    format = try Self.readFormat(&cursor)
    byteCount = try Self.byteCount(of: dimensions, format, cursor, at: sizesPosition)
    dataOffset = try cursor.integer("its offset", as: UInt64.self)
  }

  private static func readFormat(_ cursor: inout ByteCursor) throws(GGUFError) -> BlockFormat {
    let start = cursor.offset
    let number = try cursor.integer("its type", as: UInt32.self)
    if let format = GGUFTensorType.format(number) { return format }
    let name = GGUFTensorType.unreadNames[number].map { "\(number)\" (\($0))" } ?? "\(number)\""
    let readable = BlockFormat.allCases.map(\.rawValue).joined(separator: ", ")
    throw GGUFError(
      reason: .unsupported, file: cursor.file, subject: cursor.subject, offset: start,
      problem: "has the type \"\(name), which this program does not read; it reads \(readable)")
  }

  private static func byteCount(
    of dimensions: [Int], _ format: BlockFormat, _ cursor: ByteCursor, at start: Int
  ) throws(GGUFError) -> Int {
    guard dimensions[0] % format.elementsPerBlock == 0 else {
      throw cursor.damaged(
        at: start,
        "has rows of \"\(dimensions[0])\" numbers; in \(format.rawValue) a row is a multiple of "
          + "\(format.elementsPerBlock)")
    }
    var rows = 1
    for size in dimensions.dropFirst() {
      let (product, overflow) = rows.multipliedReportingOverflow(by: size)
      rows = overflow ? .max : product
    }
    // The number of elements has to fit as well: it can be larger than the number of bytes.
    guard let bytes = format.byteCount(rows: rows, columns: dimensions[0]),
      !rows.multipliedReportingOverflow(by: dimensions[0]).overflow
    else {
      let shape = dimensions.map(String.init).joined(separator: " x ")
      throw cursor.damaged(
        at: start, "has the shape \"\(shape)\", too many numbers to count in 63 bits")
    }
    return bytes
  }
}

/// Finds every tensor's place in the file: aligned, inside, and without overlap.
struct TensorLayout {
  let alignment: Int
  let headerEnd: Int
  let file: String
  let fileBytes: Int

  func place(_ entries: [TensorEntry]) throws(GGUFError) -> [GGUFTensor] {
    let dataStart = (headerEnd + alignment - 1) / alignment * alignment
    var tensors: [GGUFTensor] = []
    tensors.reserveCapacity(entries.count)
    for entry in entries {
      guard entry.dataOffset % UInt64(alignment) == 0 else {
        throw damaged(
          entry, "has the offset \"\(entry.dataOffset)\"; allowed are multiples of \(alignment)")
      }
      let room = UInt64(max(0, fileBytes - dataStart))
      guard entry.dataOffset <= room, UInt64(entry.byteCount) <= room - entry.dataOffset else {
        throw damaged(
          entry,
          "takes \(entry.byteCount) bytes from offset \"\(entry.dataOffset)\" of \(room) bytes of "
            + "data (from byte \(dataStart) of \(fileBytes)); the file is cut off or damaged")
      }
      tensors.append(
        GGUFTensor(
          name: entry.name, dimensions: entry.dimensions, format: entry.format,
          offset: dataStart + Int(entry.dataOffset), byteCount: entry.byteCount))
    }
    try requireDisjoint(tensors, entries)
    return tensors
  }

  private func requireDisjoint(
    _ tensors: [GGUFTensor], _ entries: [TensorEntry]
  ) throws(GGUFError) {
    let order = tensors.indices.sorted {
      (tensors[$0].offset, $0) < (tensors[$1].offset, $1)
    }
    for (index, next) in zip(order, order.dropFirst()) {
      let end = tensors[index].offset + tensors[index].byteCount
      guard end <= tensors[next].offset else {
        throw damaged(
          entries[next],
          """
          begins at byte "\(tensors[next].offset)", inside tensor \(quoted(tensors[index].name)), \
          which ends at byte \(end)
          """)
      }
    }
  }

  private func damaged(_ entry: TensorEntry, _ problem: String) -> GGUFError {
    GGUFError(
      reason: .damaged, file: file, subject: "tensor \(quoted(entry.name))",
      offset: entry.position, problem: problem)
  }
}
