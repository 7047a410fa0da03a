/// How a KV cache holds the numbers of keys and values.
public enum CacheFormat: String, Sendable, Hashable, CaseIterable, Codable {
  /// As they were computed.
  case f32
  /// Half floats, each number rounded to the nearest: 11 bits of precision, at most 65,504.
  case f16

  /// Bytes of a row of `width` numbers.
  public func rowBytes(width: Int) -> Int {
    switch self {
    case .f32: 4 * width
    case .f16: 2 * width
    }
  }
}
