import Kernels

/// Named arrays of numbers in the safetensors format: a small file of inputs, expected outputs, or
/// results.
///
/// The layout: the length of the header (8 bytes, little-endian), the header as a JSON object (for
/// each tensor its `dtype`, `shape` and `data_offsets`, and `__metadata__` with strings), then the
/// numbers, row-major and little-endian, without gaps. Source:
/// https://huggingface.co/docs/safetensors
///
/// Opening checks the header against the file; errors name the tensor and the value. Floats are
/// read from F32, F16 and BF16, whole numbers from I32 and I64; tensors of other types are allowed,
/// but not read.
public struct SafetensorsFile: Sendable {
  public struct Tensor: Sendable, Hashable {
    public let name: String
    /// The format's name of the type, such as "F32".
    public let dataType: String
    /// Empty for a single number.
    public let shape: [Int]
    /// Where its bytes begin, from the beginning of the file.
    public let offset: Int
    public let byteCount: Int

    public var elementCount: Int { shape.reduce(1, *) }
  }

  /// The path, or the name that the caller gave; begins every error.
  public let name: String
  /// In the order of their bytes.
  public let tensors: [Tensor]
  public let metadata: [String: String]

  private let storage: any ByteStorage

  public init(path: String) throws(SafetensorsError) {
    let mapped: MappedFile
    do {
      mapped = try MappedFile(path: path)
    } catch {
      throw SafetensorsError(reason: .cannotOpen, file: path, problem: error.problem)
    }
    try self.init(storage: mapped, name: path)
  }

  /// Reads a file from memory.
  public init(storage: any ByteStorage, name: String) throws(SafetensorsError) {
    let header = try SafetensorsHeader(reading: storage, file: name)
    self.name = name
    self.storage = storage
    tensors = header.tensors
    metadata = header.metadata
  }

  /// A tensor of F32, F16 or BF16 as floats, row-major. Throws `missing` or `wrongType`.
  public func tensor(_ name: String) throws(SafetensorsError) -> (shape: [Int], values: [Float]) {
    let tensor = try entry(name)
    let formats: [String: BlockFormat] = ["F32": .f32, "F16": .f16, "BF16": .bf16]
    guard let format = formats[tensor.dataType] else {
      throw wrongType(tensor, "F32, F16, BF16")
    }
    let weights = WeightMatrix(
      rows: 1, columns: tensor.elementCount, format: format, storage: storage,
      offset: tensor.offset)
    return (tensor.shape, weights.dequantizedRows(0..<1).elements)
  }

  /// A tensor of I32 or I64, row-major. Throws `missing` or `wrongType`.
  public func integers(_ name: String) throws(SafetensorsError) -> (shape: [Int], values: [Int]) {
    let tensor = try entry(name)
    switch tensor.dataType {
    case "I32": return (tensor.shape, integers(Int32.self, of: tensor))
    case "I64": return (tensor.shape, integers(Int64.self, of: tensor))
    default: throw wrongType(tensor, "I32, I64")
    }
  }

  private func integers<Integer: FixedWidthInteger & BitwiseCopyable>(
    _ type: Integer.Type, of tensor: Tensor
  ) -> [Int] {
    let bytes = storage.bytes
    return (0..<tensor.elementCount).map { index in
      // Any bits are an integer; the header's check put the range inside the file.
      let offset = tensor.offset + index * MemoryLayout<Integer>.size
      return Int(
        Integer(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Integer.self)))
    }
  }

  private func entry(_ name: String) throws(SafetensorsError) -> Tensor {
    if let tensor = tensors.first(where: { $0.name == name }) { return tensor }
    let names = tensors.prefix(20).map { quoted($0.name) }.joined(separator: ", ")
    throw SafetensorsError(
      reason: .missing, file: self.name, subject: "tensor \(quoted(name))",
      problem: "is not in this file, which has \(names.isEmpty ? "no tensors" : names)"
        + (tensors.count > 20 ? " and \(tensors.count - 20) more" : ""))
  }

  private func wrongType(_ tensor: Tensor, _ allowed: String) -> SafetensorsError {
    SafetensorsError(
      reason: .wrongType, file: name, subject: "tensor \(quoted(tensor.name))",
      problem: "has the type \"\(tensor.dataType)\"; allowed here are \(allowed)")
  }
}

/// Why a safetensors file, or one tensor in it, cannot be used.
public struct SafetensorsError: Error, Equatable, CustomStringConvertible {
  public enum Reason: String, Sendable, Equatable {
    /// The file cannot be opened, mapped or written.
    case cannotOpen
    /// It contradicts itself or its size, or is not a safetensors file.
    case damaged
    /// It has no such tensor.
    case missing
    /// The tensor has another type than asked for.
    case wrongType
  }

  public let reason: Reason
  /// The path, or the name that the caller gave.
  public let file: String
  /// What the problem is about, such as `tensor "q"`; nil for the file as a whole.
  public let subject: String?
  /// What is wrong, with the value in quotes, and what is allowed.
  public let problem: String

  init(reason: Reason, file: String, subject: String? = nil, problem: String) {
    self.reason = reason
    self.file = file
    self.subject = subject
    self.problem = problem
  }

  public var description: String {
    subject.map { "\(file): \($0): \(problem)" } ?? "\(file): \(problem)"
  }
}
