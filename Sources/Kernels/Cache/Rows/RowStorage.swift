import Tensors

/// Keys or values as rows of one format, one a slot.
final class RowStorage<Codec: RowCodec>: TokenStorage {
  private let width: Int
  private var rows: SlotArray<Codec.Element>

  init(width: Int) {
    self.width = width
    rows = SlotArray(
      width: Codec.rowBytes(width: width) / MemoryLayout<Codec.Element>.stride, filler: Codec.zero)
  }

  var count: Int { rows.count }
  var allocatedBytes: Int { rows.allocatedBytes }
  var heldBytes: Int { rows.heldBytes }

  func append(_ source: Matrix, rows added: Range<Int>, column: Int, firstPosition: Int) {
    source.elements.withUnsafeBufferPointer { elements in
      append(added.count) { index in
        elements.baseAddress! + ((added.lowerBound + index) * source.columns + column)
      }
    }
  }

  /// Appends `count` rows; `row` gives the address of each one's numbers.
  func append(_ count: Int, _ row: (_ index: Int) -> UnsafePointer<Float>) {
    let bytes = Codec.rowBytes(width: width)
    rows.append(count) { target in
      let target = UnsafeMutableRawPointer(target)
      for index in 0..<count {
        Codec.encode(row(index), width: width, into: target + index * bytes)
      }
    }
  }

  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool) {
    rows.retain(slots, keepsSlack: keepsSlack)
  }

  func removeAll() { rows.removeAll() }

  func sharedRows(_ slots: Range<Int>, scale: Double) -> Rows? {
    guard let floats = rows.elements as? [Float] else { return nil }
    return Rows(
      elements: floats, firstElement: (rows.first + slots.lowerBound) * width, count: slots.count,
      width: width, scale: scale)
  }

  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result { withRows { body(.rows($0)) } }

  func withRows<Result>(_ body: (RowMemory) -> Result) -> Result {
    rows.withMemory { memory in
      body(RowMemory(base: memory.map { UnsafeRawPointer($0) }, codec: Codec.self, width: width))
    }
  }
}
