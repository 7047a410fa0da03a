/// Metadata by type. Each getter throws `missing` without the key and `wrongType` for a value of
/// another type; the forms with `ifPresent` return nil without the key.
extension GGUFFile {
  public func string(_ key: String) throws(GGUFError) -> String {
    try required(key, string(ifPresent: key))
  }

  public func string(ifPresent key: String) throws(GGUFError) -> String? {
    try value(key, "a string") { if case .string(let string) = $0 { string } else { nil } }
  }

  /// A whole number of any width.
  public func integer(_ key: String) throws(GGUFError) -> Int {
    try required(key, integer(ifPresent: key))
  }

  public func integer(ifPresent key: String) throws(GGUFError) -> Int? {
    try value(key, "a whole number below 2^63", \.integer)
  }

  /// A float of either width, or a whole number. A 32-bit float keeps its value: 1e-5 reads as
  /// 9.99999974…e-06.
  public func number(_ key: String) throws(GGUFError) -> Double {
    try required(key, number(ifPresent: key))
  }

  public func number(ifPresent key: String) throws(GGUFError) -> Double? {
    try value(key, "a number", \.number)
  }

  public func boolean(_ key: String) throws(GGUFError) -> Bool {
    try required(key, boolean(ifPresent: key))
  }

  public func boolean(ifPresent key: String) throws(GGUFError) -> Bool? {
    try value(key, "a boolean") { if case .bool(let bool) = $0 { bool } else { nil } }
  }

  public func strings(_ key: String) throws(GGUFError) -> [String] {
    try required(key, strings(ifPresent: key))
  }

  public func strings(ifPresent key: String) throws(GGUFError) -> [String]? {
    try value(key, "an array of strings") {
      if case .array(.string(let strings)) = $0 { strings } else { nil }
    }
  }

  /// Whole numbers of any width.
  public func integers(_ key: String) throws(GGUFError) -> [Int] {
    try required(key, integers(ifPresent: key))
  }

  public func integers(ifPresent key: String) throws(GGUFError) -> [Int]? {
    try value(key, "an array of whole numbers below 2^63") {
      if case .array(let array) = $0 { array.integers } else { nil }
    }
  }

  /// Floats of either width, or whole numbers.
  public func numbers(_ key: String) throws(GGUFError) -> [Double] {
    try required(key, numbers(ifPresent: key))
  }

  public func numbers(ifPresent key: String) throws(GGUFError) -> [Double]? {
    try value(key, "an array of numbers") {
      if case .array(let array) = $0 { array.numbers } else { nil }
    }
  }

  private func value<Value>(
    _ key: String, _ allowed: String, _ convert: (GGUFValue) -> Value?
  ) throws(GGUFError) -> Value? {
    guard let value = metadata[key] else { return nil }
    guard let converted = convert(value) else {
      throw GGUFError(
        reason: .wrongType, file: name, subject: "metadata key \(quoted(key))", offset: nil,
        problem: "is \(value.shortText) (\(value.typeName)); allowed is \(allowed)")
    }
    return converted
  }

  private func required<Value>(_ key: String, _ value: Value?) throws(GGUFError) -> Value {
    guard let value else {
      throw GGUFError(
        reason: .missing, file: name, subject: "metadata key \(quoted(key))", offset: nil,
        problem: "is not in this file")
    }
    return value
  }
}

extension GGUFValue {
  /// The value in quotes, cut if long; for an array its beginning.
  public var shortText: String {
    switch self {
    case .string(let value): quoted(value)
    case .array: plainText
    default: "\"\(plainText)\""
    }
  }

  /// The value as it is; only "an array" for an array.
  public var plainText: String {
    switch self {
    case .uint8(let value): "\(value)"
    case .int8(let value): "\(value)"
    case .uint16(let value): "\(value)"
    case .int16(let value): "\(value)"
    case .uint32(let value): "\(value)"
    case .int32(let value): "\(value)"
    case .uint64(let value): "\(value)"
    case .int64(let value): "\(value)"
    case .float32(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .string(let value): value
    case .array: "an array"
    }
  }
}
