import Tensors

/// Keys or values as rows of one format, one a slot.
///
/// Not generic over the format: Swift specialises neither classes nor conformances that are reached
/// by a protocol's type, but each format's own functions are.
final class RowStorage: TokenStorage {
  let codec: any RowCodec.Type
  private let width: Int
  private var rows: SlotArray<UInt8>

  /// - Parameter page: rows that memory grows by at least.
  init(_ codec: any RowCodec.Type, width: Int, page: Int = KVHead.pageTokens) {
    self.codec = codec
    self.width = width
    rows = SlotArray(width: codec.format.rowBytes(width: width), page: page, filler: 0)
  }

  var count: Int { rows.count }
  var allocatedBytes: Int { rows.allocatedBytes }
  var heldBytes: Int { rows.heldBytes }

  func append(_ source: Matrix, rows added: Range<Int>, column: Int, firstPosition: Int) {
    source.elements.withUnsafeBufferPointer { elements in
      append(
        added.count, from: elements.baseAddress! + (added.lowerBound * source.columns + column),
        stride: source.columns)
    }
  }

  /// Appends rows of numbers, `stride` floats from one to the next.
  ///
  /// - Parameter centre: taken off each; whoever reads them names it again.
  func append(
    _ count: Int, from numbers: UnsafePointer<Float>, stride: Int, without centre: RowCentre? = nil
  ) {
    if let centre {
      centre.withRest(of: count, numbers, stride: stride) {
        append(count, from: $0, stride: width)
      }
      return
    }
    rows.append(count) { target in
      codec.encode(
        numbers, rows: count, stride: stride, width: width, into: UnsafeMutableRawPointer(target))
    }
  }

  /// Appends rows of a storage of the same format, byte for byte.
  func append(_ range: Range<Int>, of other: RowStorage) {
    let rowBytes = rows.width
    other.rows.withMemory { memory in
      guard let memory else { return }
      rows.append(range.count) { target in
        target.update(from: memory + range.lowerBound * rowBytes, count: range.count * rowBytes)
      }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    rows.retain(slots, keepsSlack: keepsSlack)
  }

  func removeAll() { rows.removeAll() }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result { withRows { body(.rows($0)) } }

  /// - Parameter centre: what was taken off the rows.
  func withRows<Result>(
    without centre: RowCentre? = nil, _ body: (RowMemory) -> Result
  ) -> Result {
    rows.withMemory { memory in
      (centre?.turned ?? []).withUnsafeBufferPointer { turned in
        body(
          RowMemory(
            base: memory.map { UnsafeRawPointer($0) }, codec: codec, width: width,
            centre: centre == nil ? nil : turned.baseAddress))
      }
    }
  }
}

/// Keys or values as rows of floats, which are shared as they lie.
final class FloatStorage: TokenStorage {
  private let width: Int
  private var rows: SlotArray<Float>

  init(width: Int) {
    self.width = width
    rows = SlotArray(width: width, filler: 0)
  }

  var allocatedBytes: Int { rows.allocatedBytes }
  var heldBytes: Int { rows.heldBytes }

  func append(_ source: Matrix, rows added: Range<Int>, column: Int, firstPosition: Int) {
    source.elements.withUnsafeBufferPointer { elements in
      rows.append(added.count) { target in
        for index in 0..<added.count {
          (target + index * width).update(
            from: elements.baseAddress! + ((added.lowerBound + index) * source.columns + column),
            count: width)
        }
      }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    rows.retain(slots, keepsSlack: keepsSlack)
  }

  func removeAll() { rows.removeAll() }

  func sharedRows(_ slots: Range<Int>, scale: Double) -> Rows? {
    Rows(
      elements: rows.elements, firstElement: (rows.first + slots.lowerBound) * width,
      count: slots.count, width: width, scale: scale)
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result {
    rows.withMemory { memory in
      body(
        .rows(
          RowMemory(
            base: memory.map { UnsafeRawPointer($0) }, codec: FloatRows.self, width: width)))
    }
  }
}
