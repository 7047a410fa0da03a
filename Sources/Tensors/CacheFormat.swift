// swift-format-ignore: AlwaysUseLowerCamelCase
/// How a KV cache holds rows of numbers: the keys, or the values, of its tokens.
public enum RowFormat: String, Sendable, Hashable, CaseIterable, Codable {
  /// As they were computed.
  case f32
  /// Half floats, each number rounded to the nearest: 11 bits of precision, at most 65,504.
  case f16
  /// ggml's blocks: 32 numbers of a row with one half-float scale, in 8 bits each; 34 bytes.
  case q8_0
  /// The same in 4 bits each; 18 bytes.
  case q4_0
  /// `q4_0` of rows that are rotated first, which spreads outliers over a row.
  case q4_0_rotated
  /// KIVI, 4 bits: keys by channel in groups of 32 tokens, values by token in groups of 32 channels,
  /// each group with its minimum and its step as half floats. The most recent tokens are exact.
  case kivi4
  /// The same with 2 bits.
  case kivi2
  /// Rows that are rotated, 4 bits a number by the best codes for a Gaussian, with one half-float scale. The first tokens
  /// and the most recent ones are exact.
  case lloyd4
  /// The same with 3 bits.
  case lloyd3
  /// The same with 2 bits.
  case lloyd2
  /// Rows that are rotated, 8 bits a number with one half-float scale, the highest bits (4 of a key's, 2 of a value's) apart
  /// from the others: a coarse look at all tokens reads little.
  case nested

  /// One sentence for people.
  public var summary: String {
    switch self {
    case .f32: "As computed, 4 bytes a number."
    case .f16: "Half floats, 2 bytes a number: what others are compared with."
    case .q8_0: "8 bits a number, 32 of a row with one half-float scale: ggml's blocks."
    case .q4_0: "4 bits a number, 32 of a row with one half-float scale: ggml's blocks."
    case .q4_0_rotated: "q4_0 of rows rotated first, which spreads outliers over a row."
    case .kivi4, .kivi2:
      "KIVI in \(self == .kivi4 ? 4 : 2) bits: keys by channel in groups of 32 tokens, values by token, each group with minimum and step; at least the last 128 tokens exact."
    case .lloyd4, .lloyd3, .lloyd2:
      "Our own: rotated rows, \(self == .lloyd4 ? 4 : self == .lloyd3 ? 3 : 2) bits a number by the best codes for a Gaussian; the first tokens and the last 64 exact."
    case .nested:
      "Our own: rotated rows, 8 bits a number with one half-float scale, the highest bits apart, so that a coarse look reads little: for the strategies skim and fade."
    }
  }

  /// Numbers that are held together, of which a row has a whole number.
  public var blockNumbers: Int {
    switch self {
    case .f32, .f16: 1
    case .q8_0, .q4_0, .q4_0_rotated, .kivi4, .kivi2, .lloyd4, .lloyd3, .lloyd2: 32
    case .nested: 64
    }
  }

  /// Bytes of a row of `width` numbers, a multiple of ``blockNumbers``; of formats that change with age those of a token
  /// that is quantised.
  public func rowBytes(width: Int) -> Int {
    switch self {
    case .f32: 4 * width
    case .f16: 2 * width
    case .q8_0: width / 32 * 34
    case .q4_0, .q4_0_rotated: width / 32 * 18
    case .kivi4: width / 32 * 20
    case .kivi2: width / 32 * 12
    case .lloyd4: 2 + width / 2
    case .lloyd3: 2 + width / 8 * 3
    case .lloyd2: 2 + width / 4
    case .nested: 2 + width
    }
  }

  /// Whether tokens are held exactly at first, and quantised as they grow older; or, in `nested`, those of a prompt until
  /// all of it has attended.
  public var changesWithAge: Bool { recentTokens > 0 || self == .nested }

  /// How many of the most recent tokens are exact at least; 0 where all are held alike. Of KIVI's keys it is those
  /// that are left over from whole 128.
  public var recentTokens: Int {
    switch self {
    case .f32, .f16, .q8_0, .q4_0, .q4_0_rotated, .nested: 0
    case .kivi4, .kivi2: 128
    case .lloyd4, .lloyd3, .lloyd2: 64
    }
  }

  /// Whether the mean key of a prompt is taken off its keys, and of later ones, before they are quantised: it is half of a
  /// key's square and more, and says nothing, since the same number is added to all logits of a query.
  public var centresKeys: Bool {
    switch self {
    case .lloyd4, .lloyd3, .lloyd2, .nested: true
    default: false
    }
  }

  /// Whether the mean value of a prompt is taken off in the same way; it is added again to what a query makes of them.
  public var centresValues: Bool { self == .nested }

  /// Positions below this one are always exact: attention sinks, whose keys are unlike all others.
  public var sinkTokens: Int {
    switch self {
    case .f32, .f16, .q8_0, .q4_0, .q4_0_rotated, .kivi4, .kivi2, .nested: 0
    case .lloyd4, .lloyd3, .lloyd2: 4
    }
  }
}

/// How a KV cache holds keys, and how it holds values.
public struct CacheFormat: Sendable, Hashable, Codable {
  public var keys: RowFormat
  public var values: RowFormat

  public init(keys: RowFormat, values: RowFormat) {
    self.keys = keys
    self.values = values
  }

  /// The same for both.
  public init(_ format: RowFormat) { self.init(keys: format, values: format) }

  public static let f32 = CacheFormat(.f32)
  public static let f16 = CacheFormat(.f16)
  public static let nested = CacheFormat(.nested)

  /// The formats of both, one if they are the same: `q8_0`, `q8_0/q4_0`.
  public var label: String {
    keys == values ? keys.rawValue : "\(keys.rawValue)/\(values.rawValue)"
  }

  /// Bytes of the key and the value of one token; of formats that change with age those of one that is quantised.
  public func tokenBytes(headDimension: Int) -> Int {
    keys.rowBytes(width: headDimension) + values.rowBytes(width: headDimension)
  }

  /// Bytes of a token of ``nested`` that has its highest bits alone, 4 of a key's number and 2 of a value's, each row with its
  /// scale.
  public static func coarseTokenBytes(headDimension: Int) -> Int {
    2 + headDimension / 2 + 2 + headDimension / 4
  }

  /// Prompts of fewer tokens have no mean that is taken off: it would be that of little.
  public static let leastCentred = 128

  /// Bytes of the means that are taken off keys and values, as floats, of a KV head.
  public func meanBytes(headDimension: Int) -> Int {
    ((keys.centresKeys ? 1 : 0) + (values.centresValues ? 1 : 0)) * 4 * headDimension
  }

  /// Whether tokens after the prompt take fewer bytes as they grow older, of themselves.
  public var bytesChangeWithAge: Bool { keys.recentTokens > 0 || values.recentTokens > 0 }

  /// Whether tokens are held exactly at first, and quantised as they grow older.
  public var changesWithAge: Bool { keys.changesWithAge || values.changesWithAge }

  /// Why rows of that many numbers cannot be held; nil if they can.
  public func complaint(headDimension: Int) -> String? {
    guard
      let format = [keys, values].first(where: { headDimension % $0.blockNumbers != 0 })
    else { return nil }
    let allowed = RowFormat.allCases.filter { headDimension % $0.blockNumbers == 0 }
    return
      "\(format.rawValue) holds numbers in blocks of \(format.blockNumbers), and the head dimension, \(headDimension), is no multiple of that; allowed are \(allowed.map(\.rawValue).joined(separator: ", "))"
  }
}
