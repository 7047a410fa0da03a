import Kernels

/// Reads a file's header from front to back; every read is checked against the end of the file
/// first.
struct ByteCursor {
  let storage: any ByteStorage
  let file: String
  let byteCount: Int
  private(set) var offset = 0
  /// What is being read, for errors.
  var subject: String?

  init(_ storage: any ByteStorage, file: String) {
    self.storage = storage
    self.file = file
    byteCount = storage.bytes.byteCount
  }

  var remaining: Int { byteCount - offset }

  /// A little-endian integer; `what` names it in the error, such as "its offset".
  mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ what: String, as type: Integer.Type = Integer.self
  ) throws(GGUFError) -> Integer {
    try require(MemoryLayout<Integer>.size, what)
    // Any bits are an integer, and `require` checked the range.
    let value = storage.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Integer.self)
    offset += MemoryLayout<Integer>.size
    return Integer(littleEndian: value)
  }

  /// A string: its length (8 bytes), then that many bytes of UTF-8.
  mutating func string(_ what: String) throws(GGUFError) -> String {
    let start = offset
    let length = try integer("the length of \(what)", as: UInt64.self)
    guard length <= UInt64(remaining) else {
      throw damaged(
        at: start,
        "\(what) says to be \"\(length)\" bytes long, \(remaining) are left; "
          + "the file is cut off or damaged")
    }
    // Not beyond the file, so it fits an Int.
    let end = offset + Int(length)
    let text = copyBytes(offset..<end)
    guard let string = String(validating: text, as: UTF8.self) else {
      throw damaged(
        at: start, "\(what) is not UTF-8: \(quoted(String(decoding: text, as: UTF8.self)))")
    }
    offset = end
    return string
  }

  /// A count of 8 bytes, of things that take at least `minimumBytes` each; throws if the rest of
  /// the file cannot hold them.
  mutating func count(_ what: String, minimumBytes: Int) throws(GGUFError) -> Int {
    let start = offset
    let count = try integer("the number of \(what)", as: UInt64.self)
    try requireRoom(for: count, what, minimumBytes: minimumBytes, at: start)
    return Int(count)
  }

  /// Throws if the rest of the file cannot hold so many things of at least `minimumBytes`; their
  /// number was read at `start`.
  func requireRoom(
    for count: UInt64, _ what: String, minimumBytes: Int, at start: Int
  ) throws(GGUFError) {
    let most = remaining / minimumBytes
    guard count <= UInt64(most) else {
      throw damaged(
        at: start,
        """
        says to have "\(count)" \(what); the \(remaining) bytes that follow hold at most \(most); \
        the file is cut off or damaged
        """)
    }
  }

  /// An error about the bytes that begin at `start`, or at the next byte to read.
  func damaged(at start: Int? = nil, _ problem: String) -> GGUFError {
    GGUFError(
      reason: .damaged, file: file, subject: subject, offset: start ?? offset, problem: problem)
  }

  private func copyBytes(_ range: Range<Int>) -> [UInt8] {
    let bytes = storage.bytes
    return range.map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }

  private func require(_ bytes: Int, _ what: String) throws(GGUFError) {
    guard bytes <= remaining else {
      throw damaged(
        "\(what) needs \(bytes) bytes, \"\(remaining)\" are left; the file is cut off")
    }
  }
}
