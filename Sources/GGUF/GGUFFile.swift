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

  /// Why the file cannot be used; empty unless it was only surveyed.
  public let problems: [GGUFError]

  private let indices: [String: Int]

  /// Maps a file into memory; see ``MappedFile`` for what happens if it is shortened while mapped.
  ///
  /// Throws the first of all that is wrong with it.
  public init(path: String) throws(GGUFError) {
    self = try GGUFFile(surveying: path).sound()
  }

  /// Reads a file from memory; throws as ``init(path:)`` does.
  public init(storage: any ByteStorage, name: String) throws(GGUFError) {
    self = try GGUFFile(surveying: storage, name: name).sound()
  }

  /// A file of which as much is read as can be, to be looked at: cut off, damaged or with types that
  /// this program does not read. What is wrong is in ``problems``, and where there is anything it
  /// gives no weights.
  ///
  /// Throws only for what is no GGUF file of a known version.
  public init(surveying path: String) throws(GGUFError) {
    let mapped: MappedFile
    do {
      mapped = try MappedFile(path: path)
    } catch {
      throw GGUFError(
        reason: .cannotOpen, file: path, subject: nil, offset: nil, problem: error.problem)
    }
    try self.init(surveying: mapped, name: path)
  }

  /// The same of a file in memory.
  public init(surveying storage: any ByteStorage, name: String) throws(GGUFError) {
    let header: GGUFHeader
    do {
      header = try GGUFHeader(reading: storage, file: name)
    } catch {
      throw error.namingPart(of: name)
    }
    self.name = name
    self.storage = storage
    version = header.version
    metadata = header.metadata
    metadataKeys = header.keys
    tensors = header.tensors
    problems =
      header.problems.prefix(1).map { $0.namingPart(of: name) } + header.problems.dropFirst()
    indices = Dictionary(
      header.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The file, if nothing is wrong with it.
  private func sound() throws(GGUFError) -> GGUFFile {
    if let problem = problems.first { throw problem }
    return self
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
    let tensor = try sound().tensor(name)
    guard tensor.dimensions.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw wrongShape(tensor, "1 or 2")
    }
    guard let format = tensor.format else {
      preconditionFailure("GGUFFile: \(name) has a type that opening the file refuses")
    }
    return WeightMatrix(
      rows: tensor.rows, columns: tensor.columns, format: format, storage: storage,
      offset: tensor.offset)
  }

  /// A vector as floats. Throws `missing`, and `wrongType` if it has more than one dimension.
  public func vector(_ name: String) throws(GGUFError) -> [Float] {
    let tensor = try sound().tensor(name)
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
