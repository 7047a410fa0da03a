import Kernels

/// An entry of the tensor table as it stands there: its place in the data is not checked yet.
struct TensorEntry {
  let name: String
  let dimensions: [Int]
  let type: GGUFTensorType
  /// 0 where the shape or the type is a problem.
  let byteCount: Int
  /// From the beginning of the data section.
  let dataOffset: UInt64
  /// The offset of the entry itself, for errors.
  let position: Int

  /// Throws where the table cannot be read on. A shape that cannot be is added to `problems`: the
  /// next entry can be read all the same.
  init(
    reading cursor: inout ByteCursor, index: Int, problems: inout [GGUFError]
  ) throws(GGUFError) {
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

    type = GGUFTensorType(number: try cursor.integer("its type", as: UInt32.self))
    dataOffset = try cursor.integer("its offset", as: UInt64.self)
    do {
      byteCount = try Self.byteCount(of: dimensions, type, cursor, at: sizesPosition)
    } catch {
      problems.append(error)
      byteCount = 0
    }
  }

  /// 0 for a type that nobody knows.
  private static func byteCount(
    of dimensions: [Int], _ type: GGUFTensorType, _ cursor: ByteCursor, at start: Int
  ) throws(GGUFError) -> Int {
    guard let block = type.block else { return 0 }
    guard dimensions[0] % block.numbers == 0 else {
      throw cursor.damaged(
        at: start,
        "has rows of \"\(dimensions[0])\" numbers; in \(type.name) a row is a multiple of "
          + "\(block.numbers)")
    }
    // The number of elements has to fit as well: it can be larger than the number of bytes.
    var (elements, bytes, overflows) = (1, block.bytes, false)
    for (index, size) in dimensions.enumerated() {
      let product = elements.multipliedReportingOverflow(by: size)
      let byteProduct = bytes.multipliedReportingOverflow(
        by: index == 0 ? size / block.numbers : size)
      (elements, bytes) = (product.partialValue, byteProduct.partialValue)
      overflows = overflows || product.overflow || byteProduct.overflow
    }
    guard !overflows else {
      let shape = dimensions.map(String.init).joined(separator: " x ")
      throw cursor.damaged(
        at: start, "has the shape \"\(shape)\", too many numbers to count in 63 bits")
    }
    return bytes
  }
}

/// Finds every tensor's place in the file, which has to be aligned, inside, and without overlap.
struct TensorLayout {
  let alignment: Int
  let file: String
  let fileBytes: Int
  /// Where the data section begins; Int.max where that would be beyond.
  private let dataStart: Int
  private let room: UInt64

  init(alignment: Int, headerEnd: Int, file: String, fileBytes: Int) {
    self.alignment = alignment
    self.file = file
    self.fileBytes = fileBytes
    let (padded, overflow) = headerEnd.addingReportingOverflow(alignment - 1)
    dataStart = overflow ? .max : padded / alignment * alignment
    room = UInt64(max(0, fileBytes - dataStart))
  }

  func tensors(_ entries: [TensorEntry]) -> [GGUFTensor] {
    entries.map { entry in
      let (offset, overflow) = dataStart.addingReportingOverflow(Int(clamping: entry.dataOffset))
      return GGUFTensor(
        name: entry.name, dimensions: entry.dimensions, type: entry.type,
        offset: overflow ? .max : offset, byteCount: entry.byteCount)
    }
  }

  /// Why tensors cannot be used: their types, then their places.
  func problems(_ entries: [TensorEntry]) -> [GGUFError] {
    unread(entries) + misaligned(entries) + outside(entries) + overlaps(entries)
  }

  /// One problem for each type.
  private func unread(_ entries: [TensorEntry]) -> [GGUFError] {
    let groups = Dictionary(grouping: entries.filter { $0.type.format == nil }, by: \.type)
    return groups.values.sorted { $0[0].position < $1[0].position }.map { entries in
      let type = entries[0].type
      let name = type.block == nil ? "" : " (\(type.name))"
      let readable = BlockFormat.allCases.map(\.rawValue).joined(separator: ", ")
      return problem(
        .unsupported, entries,
        "has the type \"\(type.number)\"\(name), which this program does not read; "
          + "it reads \(readable)")
    }
  }

  private func misaligned(_ entries: [TensorEntry]) -> [GGUFError] {
    let misaligned = entries.filter { $0.dataOffset % UInt64(alignment) != 0 }
    guard let entry = misaligned.first else { return [] }
    return [
      problem(
        .damaged, misaligned,
        "has the offset \"\(entry.dataOffset)\"; allowed are multiples of \(alignment)")
    ]
  }

  private func outside(_ entries: [TensorEntry]) -> [GGUFError] {
    let outside = entries.filter { !isInside($0) }
    guard let entry = outside.first else { return [] }
    return [
      problem(
        .damaged, outside,
        "takes \(entry.byteCount) bytes from offset \"\(entry.dataOffset)\" of \(room) bytes of "
          + "data (from byte \(dataStart) of \(fileBytes)); the file is cut off or damaged")
    ]
  }

  private func isInside(_ entry: TensorEntry) -> Bool {
    entry.dataOffset <= room && UInt64(entry.byteCount) <= room - entry.dataOffset
  }

  private func overlaps(_ entries: [TensorEntry]) -> [GGUFError] {
    let order = entries.filter(isInside).sorted {
      ($0.dataOffset, $0.position) < ($1.dataOffset, $1.position)
    }
    return zip(order, order.dropFirst()).compactMap { entry, next in
      // Inside the file, so these fit an Int.
      let end = dataStart + Int(entry.dataOffset) + entry.byteCount
      let begin = dataStart + Int(next.dataOffset)
      guard end > begin else { return nil }
      return problem(
        .damaged, [next],
        """
        begins at byte "\(begin)", inside tensor \(quoted(entry.name)), which ends at byte \(end)
        """)
    }
  }

  /// The problem of the first of these; the others have the same.
  private func problem(
    _ reason: GGUFError.Reason, _ entries: [TensorEntry], _ problem: String
  ) -> GGUFError {
    let others = entries.count - 1
    let more = others > 0 ? " (and \(others) more)" : ""
    return GGUFError(
      reason: reason, file: file, subject: "tensor \(quoted(entries[0].name))",
      offset: entries[0].position, problem: problem + more)
  }
}
