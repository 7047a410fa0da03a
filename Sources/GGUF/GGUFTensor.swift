import Kernels

/// One entry of the tensor table, checked against the file.
public struct GGUFTensor: Sendable, Hashable {
  public let name: String
  /// Sizes in the file's order: the first is that of adjacent elements, a row's length.
  /// One to four, none of them 0.
  public let dimensions: [Int]
  public let format: BlockFormat
  /// Where its bytes begin, from the beginning of the file.
  public let offset: Int
  public let byteCount: Int

  /// The length of a row: input features.
  public var columns: Int { dimensions[0] }
  /// The number of rows: output features (times all further dimensions).
  public var rows: Int { dimensions.dropFirst().reduce(1, *) }
  public var elementCount: Int { rows * columns }
}

/// ggml's type numbers of tensors.
enum GGUFTensorType {
  /// The format of a number, nil if this program does not read it.
  static func format(_ number: UInt32) -> BlockFormat? {
    BlockFormat.allCases.first { self.number($0) == number }
  }

  static func number(_ format: BlockFormat) -> UInt32 {
    switch format {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q5_0: 6
    case .q5_1: 7
    case .q8_0: 8
    case .q4_K: 12
    case .q5_K: 13
    case .q6_K: 14
    case .bf16: 30
    }
  }

  /// ggml's names of types that are not read here, for the message.
  static let unreadNames: [UInt32: String] = [
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
    26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]
}

extension BlockFormat {
  /// This format's number in a GGUF file's tensor table (ggml's `ggml_type`).
  public var ggufTypeNumber: UInt32 { GGUFTensorType.number(self) }
}
