import Kernels

/// The type of a tensor's numbers: ggml's number, as the tensor table has it.
public struct GGUFTensorType: Sendable, Hashable {
  public let number: UInt32

  public init(number: UInt32) { self.number = number }

  public init(_ format: BlockFormat) { self.init(number: Self.number(format)) }

  /// How this program reads it; nil for a type that it does not read.
  public var format: BlockFormat? { BlockFormat.allCases.first { Self.number($0) == number } }

  /// The format's name, ggml's name in lower case of a type that is not read, or "type 99" of one
  /// that nobody knows.
  public var name: String {
    format?.rawValue ?? Self.unread[number]?.name ?? "type \(number)"
  }

  /// The numbers and the bytes of a block; nil for a type that nobody knows.
  var block: (numbers: Int, bytes: Int)? {
    if let format { return (format.elementsPerBlock, format.bytesPerBlock) }
    return Self.unread[number].map { ($0.numbers, $0.bytes) }
  }

  private static func number(_ format: BlockFormat) -> UInt32 {
    switch format {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q5_0: 6
    case .q5_1: 7
    case .q8_0: 8
    case .q2_K: 10
    case .q3_K: 11
    case .q4_K: 12
    case .q5_K: 13
    case .q6_K: 14
    case .iq4_nl: 20
    case .iq4_xs: 23
    case .bf16: 30
    }
  }

  /// Types that are known and not read, with what a block of them holds and takes.
  private static let unread: [UInt32: (name: String, numbers: Int, bytes: Int)] = [
    9: ("q8_1", 32, 36), 15: ("q8_K", 256, 292), 16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74), 18: ("iq3_xxs", 256, 98), 19: ("iq1_s", 256, 50),
    21: ("iq3_s", 256, 110), 22: ("iq2_s", 256, 82), 24: ("i8", 1, 1), 25: ("i16", 1, 2),
    26: ("i32", 1, 4), 27: ("i64", 1, 8), 28: ("f64", 1, 8), 29: ("iq1_m", 256, 56),
    34: ("tq1_0", 256, 54), 35: ("tq2_0", 256, 66), 39: ("mxfp4", 32, 17), 40: ("nvfp4", 64, 36),
    41: ("q1_0", 128, 18),
  ]
}

extension BlockFormat {
  /// This format's number in a GGUF file's tensor table (ggml's `ggml_type`).
  public var ggufTypeNumber: UInt32 { GGUFTensorType(self).number }
}
