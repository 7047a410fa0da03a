import GGUF
import Kernels
import Tensors

/// The tensors of a model file, checked as they are taken.
///
/// Remembers which were: any other would change what the model computes (a bias, an expert, scaled
/// frequencies), and is refused in the end.
struct DecoderTensors {
  private let file: GGUFFile
  /// What error messages call the file.
  private let name: String
  private var taken: Set<String> = []
  /// Where problems are collected rather than thrown; a tensor that has one is empty.
  var problems: [ModelError]?

  init(_ file: GGUFFile, name: String) {
    self.file = file
    self.name = name
  }

  var count: Int { file.tensors.count }

  func has(_ tensor: String) -> Bool { file.tensor(ifPresent: tensor) != nil }

  /// Its sizes in GGUF's order, columns first. Throws where it is missing.
  func shape(of tensor: String) throws(ModelError) -> [Int] {
    guard let entry = file.tensor(ifPresent: tensor) else {
      throw ModelError(file: name, .missingTensor(tensor))
    }
    return entry.dimensions
  }

  mutating func matrix(
    _ tensor: String, columns: Int, rows: Int
  ) throws(ModelError) -> WeightMatrix {
    try sound(or: WeightMatrix(Matrix(rows: 0, columns: 0))) { tensors throws(ModelError) in
      try tensors.take(tensor, shape: [columns, rows])
      return try tensors.read { file throws(GGUFError) in try file.weightMatrix(tensor) }
    }
  }

  /// Finite numbers.
  mutating func vector(_ tensor: String, count: Int) throws(ModelError) -> [Float] {
    try vector(tensor, count: count, allowed: "finite numbers") { $0.isFinite }
  }

  /// Finite numbers above 0.
  mutating func divisors(_ tensor: String, count: Int) throws(ModelError) -> [Float] {
    try vector(tensor, count: count, allowed: "finite numbers above 0") { $0.isFinite && $0 > 0 }
  }

  private mutating func vector(
    _ tensor: String, count: Int, allowed: String, _ isAllowed: (Float) -> Bool
  ) throws(ModelError) -> [Float] {
    try sound(or: []) { tensors throws(ModelError) in
      try tensors.take(tensor, shape: [count])
      let values = try tensors.read { file throws(GGUFError) in try file.vector(tensor) }
      if let index = values.firstIndex(where: { !isAllowed($0) }) {
        throw ModelError(
          file: tensors.name,
          .weight(tensor: tensor, index: index, value: "\(values[index])", allowed: allowed))
      }
      return values
    }
  }

  /// What `body` gives; where it throws and problems are collected, `empty`.
  private mutating func sound<Weights>(
    or empty: Weights, _ body: (inout DecoderTensors) throws(ModelError) -> Weights
  ) throws(ModelError) -> Weights {
    do {
      return try body(&self)
    } catch {
      guard problems != nil else { throw error }
      problems?.append(error)
      return empty
    }
  }

  private func read<Weights>(
    _ body: (GGUFFile) throws(GGUFError) -> Weights
  ) throws(ModelError) -> Weights {
    do {
      return try body(file)
    } catch {
      throw ModelError(file: name, .unreadable(error.description))
    }
  }

  private mutating func take(_ tensor: String, shape: [Int]) throws(ModelError) {
    let found = try self.shape(of: tensor)
    taken.insert(tensor)
    let further = found.dropFirst(shape.count)
    guard found.starts(with: shape), further.allSatisfy({ $0 == 1 }) else {
      throw ModelError(file: name, .tensorShape(name: tensor, found: found, expected: shape))
    }
  }

  /// What is wrong with the tensors that were not taken; to be called when everything is.
  func surplus(_ architecture: String) -> [ModelError] {
    file.tensors.filter { !taken.contains($0.name) }.map {
      ModelError(file: name, .unknownTensor($0.name, architecture: architecture))
    }
  }
}
