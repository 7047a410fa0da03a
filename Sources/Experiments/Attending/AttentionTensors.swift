import GGUF
import Tensors

/// A user's own queries, keys and values: one layer, read from a safetensors file.
public struct AttentionTensors {
  /// layers 1; the rotation where the file's metadata names one.
  public let shape: AttentionShape
  /// (tokens x queryHeads·headDimension).
  public let queries: Matrix
  /// (tokens x kvHeads·headDimension).
  public let keys: Matrix
  public let values: Matrix

  public var tokens: Int { queries.rows }

  /// As for a synthetic model; no model has a quarter of it.
  private static let mostHeads = 1024

  /// Reads `q` (queryHeads, n, d), `k` and `v` (kvHeads, n, d); F32, F16 or BF16.
  ///
  /// Metadata `rope_base` and `rope_layout` ("interleaved" or "halfSplit") say how positions were written into queries
  /// and keys; without them rotation is taken as identity.
  public init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    let q = try Self.heads("q", of: file)
    let k = try Self.heads("k", of: file)
    let v = try Self.heads("v", of: file)
    guard k.shape == v.shape else {
      throw AttendError(
        file: path,
        "tensor \"v\" has the shape \(v.shape), \"k\" has \(k.shape); both must be (KV heads, tokens, head dimension)"
      )
    }
    guard q.shape[1...] == k.shape[1...] else {
      throw AttendError(
        file: path,
        "tensor \"q\" has the shape \(q.shape), \"k\" has \(k.shape); tokens and head dimension must be the same"
      )
    }
    guard q.shape[0] % k.shape[0] == 0 else {
      throw AttendError(
        file: path,
        "\"\(q.shape[0])\" query heads (tensor \"q\") for \(k.shape[0]) KV heads (\"k\"); allowed is a multiple"
      )
    }
    guard q.shape[0] <= Self.mostHeads else {
      throw AttendError(
        file: path,
        "\"\(q.shape[0])\" query heads (tensor \"q\"); allowed are at most \(Self.mostHeads)")
    }
    shape = AttentionShape(
      layers: 1, queryHeads: q.shape[0], kvHeads: k.shape[0], headDimension: q.shape[2],
      rotary: try Self.rotary(file, headDimension: q.shape[2]))
    queries = Self.rows(q)
    keys = Self.rows(k)
    values = Self.rows(v)
  }

  /// Queries, keys and values of consecutive tokens.
  func rows(_ range: Range<Int>) -> (queries: Matrix, keys: Matrix, values: Matrix) {
    func rows(_ matrix: Matrix) -> Matrix {
      let elements = range.lowerBound * matrix.columns..<range.upperBound * matrix.columns
      return Matrix(
        rows: range.count, columns: matrix.columns, elements: Array(matrix.elements[elements]))
    }
    return (rows(queries), rows(keys), rows(values))
  }

  private static func heads(
    _ name: String, of file: SafetensorsFile
  ) throws -> (shape: [Int], values: [Float]) {
    let tensor = try file.tensor(name)
    guard tensor.shape.count == 3, tensor.shape.allSatisfy({ $0 > 0 }) else {
      throw AttendError(
        file: file.name,
        "tensor \"\(name)\" has the shape \(tensor.shape); it must be (heads, tokens, head dimension), none of them 0"
      )
    }
    if let index = tensor.values.firstIndex(where: { !$0.isFinite }) {
      throw AttendError(
        file: file.name,
        "tensor \"\(name)\" holds \"\(tensor.values[index])\" as element \(index); every element must be finite"
      )
    }
    return tensor
  }

  private static func rotary(
    _ file: SafetensorsFile, headDimension: Int
  ) throws -> RotaryEmbedding? {
    switch (file.metadata["rope_base"], file.metadata["rope_layout"]) {
    case (nil, nil): return nil
    case (let base?, let layout?):
      guard let number = Double(base), number > 0, number.isFinite else {
        throw AttendError(
          file: file.name, "metadata rope_base is \"\(base)\"; it must be a positive number")
      }
      guard let known = RotaryEmbedding.Layout(rawValue: layout) else {
        throw AttendError(
          file: file.name,
          "metadata rope_layout is \"\(layout)\"; allowed are \"interleaved\" and \"halfSplit\"")
      }
      guard headDimension % 2 == 0 else {
        throw AttendError(
          file: file.name,
          "the head dimension is \"\(headDimension)\"; a rotation (rope_base) needs an even one")
      }
      return RotaryEmbedding(base: number, dimensions: headDimension, layout: known)
    default:
      throw AttendError(
        file: file.name,
        "metadata has one of rope_base and rope_layout; give both, or neither where no rotation is known"
      )
    }
  }

  /// (heads, tokens, d) to (tokens x heads·d).
  private static func rows(_ tensor: (shape: [Int], values: [Float])) -> Matrix {
    let (heads, tokens, d) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
    var matrix = Matrix(rows: tokens, columns: heads * d)
    for head in 0..<heads {
      for token in 0..<tokens {
        for i in 0..<d {
          matrix[token, head * d + i] = tensor.values[(head * tokens + token) * d + i]
        }
      }
    }
    return matrix
  }
}

/// What is wrong with a user's tensors.
public struct AttendError: Error, CustomStringConvertible {
  public var file: String
  public var problem: String

  init(file: String, _ problem: String) {
    self.file = file
    self.problem = problem
  }

  public var description: String { "\(file): \(problem)" }
}
