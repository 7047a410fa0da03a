/// Bytes that neither move nor change while their owner lives: a mapped file, an array.
public protocol ByteStorage: AnyObject, Sendable {
  var bytes: RawSpan {
    @_lifetime(borrow self)
    get
  }
}

/// Bytes in memory, for synthetic weights and for tests.
public final class ArrayStorage: ByteStorage {
  /// Filled by the initialiser and only read after it: so any thread may.
  private nonisolated(unsafe) let buffer: UnsafeRawBufferPointer

  public init(_ bytes: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    copy.copyBytes(from: bytes)
    buffer = UnsafeRawBufferPointer(copy)
  }

  /// Floats as bytes in this machine's order: the format `f32`.
  public convenience init(floats: [Float]) {
    self.init(floats.withUnsafeBytes { Array($0) })
  }

  deinit { buffer.deallocate() }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // The buffer lives as long as `self`.
      let span = RawSpan(_unsafeBytes: buffer)
      return _overrideLifetime(span, borrowing: self)
    }
  }
}
