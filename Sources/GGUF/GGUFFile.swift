import Kernels
import Tensors

/// A model in the GGUF format, versions 2 and 3, little-endian: metadata, and tensors that stay
/// where they are.
///
/// Opening reads and checks the header and the tensor table, never the weights: cheap for a file of
/// any size. Errors name the file, the key or tensor, the byte offset and the value.
public struct GGUFFile: Sendable {
  /// The path, or the name that the caller gave; begins every error.
  public let name: String
  /// 2 or 3.
  public let version: Int
  public let metadata: [String: GGUFValue]
  /// The metadata keys in the file's order.
  public let metadataKeys: [String]
  /// In the order of the file's table.
  public let tensors: [GGUFTensor]
  /// The whole file.
  public let storage: any ByteStorage

  private let indices: [String: Int]

  /// Maps a file into memory; see ``MappedFile`` for what happens if it is shortened while mapped.
  public init(path: String) throws(GGUFError) {
    let mapped: MappedFile
    do {
      mapped = try MappedFile(path: path)
    } catch {
      throw GGUFError(
        reason: .cannotOpen, file: path, subject: nil, offset: nil, problem: error.problem)
    }
    do {
      try self.init(storage: mapped, name: path)
    } catch {
      guard let part = GGUFPart(fileName: path) else { throw error }
      throw GGUFError(
        reason: error.reason, file: path, subject: error.subject, offset: error.offset,
        problem: "\(error.problem); by its name it \(part.problem)")
    }
  }

  /// Reads a file from memory.
  public init(storage: any ByteStorage, name: String) throws(GGUFError) {
    let header = try GGUFHeader(reading: storage, file: name)
    self.name = name
    self.storage = storage
    version = header.version
    metadata = header.metadata
    metadataKeys = header.keys
    tensors = header.tensors
    indices = Dictionary(
      header.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The entry of a tensor, or nil.
  public func tensor(ifPresent name: String) -> GGUFTensor? { indices[name].map { tensors[$0] } }

  /// The entry of a tensor. Throws `missing`.
  public func tensor(_ name: String) throws(GGUFError) -> GGUFTensor {
    guard let tensor = tensor(ifPresent: name) else {
      throw GGUFError(
        reason: .missing, file: self.name, subject: "tensor \(quoted(name))", offset: nil,
        problem: "is not in this file, which has \(tensors.count) tensors")
    }
    return tensor
  }

  /// A tensor as weights (rows x columns) over the mapped bytes, nothing copied; a vector is one
  /// row.
  ///
  /// Throws `missing`, and `wrongType` if it has more than two dimensions.
  public func weightMatrix(_ name: String) throws(GGUFError) -> WeightMatrix {
    let tensor = try tensor(name)
    guard tensor.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw wrongShape(tensor, "1 or 2")
    }
    return WeightMatrix(
      rows: tensor.rows, columns: tensor.columns, format: tensor.format, storage: storage,
      offset: tensor.offset)
  }

  /// A vector as floats. Throws `missing`, and `wrongType` if it has more than one dimension.
  public func vector(_ name: String) throws(GGUFError) -> [Float] {
    let tensor = try tensor(name)
    guard tensor.rows == 1 else { throw wrongShape(tensor, "1") }
    return try weightMatrix(name).dequantizedRows(0..<1).elements
  }

  private func wrongShape(_ tensor: GGUFTensor, _ allowed: String) -> GGUFError {
    let shape = tensor.dimensions.map(String.init).joined(separator: " x ")
    return GGUFError(
      reason: .wrongType, file: name, subject: "tensor \(quoted(tensor.name))", offset: nil,
      problem: "has the shape \"\(shape)\"; allowed here are \(allowed) dimensions")
  }
}
