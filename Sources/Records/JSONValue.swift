import Foundation

/// Any JSON value, with one canonical text: the form in which specs are walked, stored and hashed.
public enum JSONValue: Codable, Sendable, Hashable {
  case null
  case boolean(Bool)
  /// A number written without fraction or exponent that fits 64 bits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
}
