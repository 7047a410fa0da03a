/// The scalars of a UTF-8 text. The bytes must come from a `String`, so that they are well formed.
struct ScalarText {
  let bytes: [UInt8]

  /// The scalar at `offset`, and its length in bytes.
  func scalar(at offset: Int) -> (scalar: Unicode.Scalar, length: Int) {
    let lead = bytes[offset]
    if lead < 0x80 { return (Unicode.Scalar(lead), 1) }
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    var value = UInt32(lead) & (length == 2 ? 0x1F : length == 3 ? 0x0F : 0x07)
    for next in offset + 1..<offset + length { value = value << 6 | UInt32(bytes[next] & 0x3F) }
    // Well-formed UTF-8 holds scalar values only.
    return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
  }

  /// The class of the scalar at `offset`, and its length in bytes.
  func scalarClass(at offset: Int) -> (scalarClass: ScalarClass, length: Int) {
    let (scalar, length) = scalar(at: offset)
    return (ScalarClass(scalar), length)
  }

  /// Where the scalars of one class that begin `range` end; nil if there is none.
  func endOfRun(of kind: ScalarClass, _ range: Range<Int>, atMost most: Int = .max) -> Int? {
    var offset = range.lowerBound
    var count = 0
    while offset < range.upperBound, count < most {
      let next = scalarClass(at: offset)
      guard next.scalarClass == kind else { break }
      offset += next.length
      count += 1
    }
    return count > 0 ? offset : nil
  }

  /// True for a carriage return or a line feed.
  func isLineEnd(at offset: Int) -> Bool {
    bytes[offset] == UInt8(ascii: "\n") || bytes[offset] == UInt8(ascii: "\r")
  }
}
