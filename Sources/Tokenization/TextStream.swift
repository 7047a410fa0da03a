/// Turns tokens into text as they arrive, never emitting part of a character.
///
/// What ``append(_:)`` and ``finish()`` return, joined, equals
/// ``Tokenizer/decode(_:continuing:)`` of the same ids, which go on with a text.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  /// The first bytes of a character whose other bytes have not arrived.
  private var pending: [UInt8] = []

  public init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// The characters that this token completes; empty if it completes none.
  public mutating func append(_ id: Int32) -> String {
    pending += tokenizer.bytes(of: id)
    let complete = pending.count - Self.openBytes(at: pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// The rest, with U+FFFD for a character that was never completed.
  public mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The number of trailing bytes that may be the start of an unfinished character: 0 to 3.
  private static func openBytes(at bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let lead = bytes[bytes.count - count]
      if lead & 0xC0 == 0x80 { continue }
      let length = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1
      guard count < length else { return 0 }
      // Some lead bytes allow only a part of the continuation bytes to follow.
      let second = count > 1 ? bytes[bytes.count - count + 1] : nil
      return second.map { allowedSecond(after: lead).contains($0) } ?? true ? count : 0
    }
    return 0
  }

  private static func allowedSecond(after lead: UInt8) -> ClosedRange<UInt8> {
    switch lead {
    case 0xE0: 0xA0...0xBF
    case 0xED: 0x80...0x9F
    case 0xF0: 0x90...0xBF
    case 0xF4: 0x80...0x8F
    default: 0x80...0xBF
    }
  }
}
