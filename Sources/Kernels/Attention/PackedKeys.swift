import Tensors

/// Tokens of a KV head, laid out for the tiled kernel: keys as panels of 32 columns, values as
/// rows.
///
/// Ascending by token position. Packed once per call and read by every tile of queries.
final class PackedKeys {
  /// Tokens held.
  private(set) var count = 0
  /// Token positions, ascending.
  private(set) var positions: [Int32] = []
  /// The slot of each token in the cache.
  private var slots: [Int32] = []
  private var dimension = 0
  /// The attention scale of the head.
  private(set) var scale = 1.0
  private let keyBuffer = FloatBuffer()
  private let valueBuffer = FloatBuffer()

  /// Tokens of one piece of packing: whole panels.
  static let pieceRows = 8 * Panel.rows

  /// Floats of a row of values: the head dimension, rounded up to whole vectors with zeros.
  static func valueWidth(headDimension: Int) -> Int { (headDimension + 15) / 16 * 16 }

  /// The addresses of what is packed, valid until tokens are chosen again.
  var panels: PackedPanels {
    PackedPanels(
      keys: keyBuffer.reserve(0), values: valueBuffer.reserve(0),
      panelFloats: dimension * Panel.rows, valueWidth: Self.valueWidth(headDimension: dimension))
  }

  /// Chooses the tokens that `head` holds at positions in `runs`, ascending, below `end`;
  /// ``pack(piece:from:)`` then has `pieces` pieces to do.
  ///
  /// - Parameter room: tokens that later calls will choose, at least: growing step by step would
  ///   leave memory of other sizes behind.
  func choose(_ runs: [Range<Int>], below end: Int, from head: KVHead, room: Int = 0) {
    dimension = head.headDimension
    scale = head.scale
    positions.removeAll(keepingCapacity: true)
    slots.removeAll(keepingCapacity: true)
    for run in runs {
      if run.lowerBound >= end { break }
      let first = head.slot(atOrAfter: run.lowerBound)
      let last = head.slot(atOrAfter: min(run.upperBound, end))
      guard first < last else { continue }
      let held = head.positions
      positions.append(contentsOf: held[held.startIndex + first..<held.startIndex + last])
      for slot in first..<last { slots.append(Int32(slot)) }
    }
    count = positions.count
    let held = max(count, room)
    _ = keyBuffer.reserve((held + Panel.rows - 1) / Panel.rows * Panel.rows * dimension)
    _ = valueBuffer.reserve(held * Self.valueWidth(headDimension: dimension))
  }

  var pieces: Int { (count + Self.pieceRows - 1) / Self.pieceRows }

  /// Copies one piece of the chosen tokens. Pieces are independent.
  func pack(piece: Int, from head: KVHead) {
    let d = dimension
    let width = Self.valueWidth(headDimension: d)
    let tokens = piece * Self.pieceRows..<min(count, (piece + 1) * Self.pieceRows)
    let panels = keyBuffer.reserve(0)
    let rows = valueBuffer.reserve(0)
    slots.withUnsafeBufferPointer { slots in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Panel.rows * d) { decoded in
        let decoded = decoded.baseAddress!  // a row has numbers
        head.withMemory { keys, values in
          for first in stride(from: tokens.lowerBound, to: tokens.upperBound, by: Panel.rows) {
            let count = min(Panel.rows, tokens.upperBound - first)
            var found = InlineArray<32, UnsafePointer<Float>>(repeating: UnsafePointer(decoded))
            for index in 0..<count {
              found[index] = keys.row(
                Int(slots[first &+ index]), decodedInto: decoded + index &* d)
            }
            Panel.pack(rows: count, depth: d, into: panels + first * d) { found[unchecked: $0] }
          }
          for token in tokens {
            let target = rows + token * width
            let source = values.row(Int(slots[token]), decodedInto: target)
            if source != UnsafePointer(target) { target.update(from: source, count: d) }
            for column in d..<width { target[column] = 0 }
          }
        }
      }
    }
  }

  /// The first token whose position is at least `position`; `count` if none.
  func index(atOrAfter position: Int) -> Int {
    guard let first = positions.first, let last = positions.last else { return 0 }
    if Int(last) - Int(first) == count - 1 { return min(max(position - Int(first), 0), count) }
    return (0..<count).bisected { Int(positions[$0]) >= position }
  }
}

/// Packed keys and values as the products read them.
struct PackedPanels {
  let keys: UnsafePointer<Float>
  let values: UnsafePointer<Float>
  let panelFloats: Int
  let valueWidth: Int

  /// Panel p holds tokens 32 p …, (headDimension x 32); columns beyond the last token are zero.
  @inline(__always)
  func panel(_ index: Int) -> UnsafePointer<Float> { keys + index &* panelFloats }

  /// Values of token `index` and of those after it, (tokens x valueWidth).
  @inline(__always)
  func values(from index: Int) -> UnsafePointer<Float> { values + index &* valueWidth }
}
