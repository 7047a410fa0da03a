/// One file of a model that was split into several: tensors are shared out among them.
public struct GGUFPart: Sendable, Hashable {
  /// Counted from 1.
  public let number: Int
  /// How many parts there are, at least 2.
  public let count: Int
  /// What is wrong with it and what to do, after the file's name.
  public let problem: String

  /// What the metadata say: nil for a file that is whole, whatever its name, which has no
  /// `split.count` or one of 1.
  init?(_ file: GGUFFile) {
    guard let count = file.metadata["split.count"]?.integer, count > 1 else { return nil }
    let stated = file.metadata["split.no"]?.integer.flatMap { 0..<count ~= $0 ? $0 + 1 : nil }
    let name = GGUFPartName(file.name)
    self.init(number: stated ?? name?.number ?? 1, count: count, name: name)
  }

  fileprivate init(number: Int, count: Int, name: GGUFPartName?) {
    self.number = number
    self.count = count
    let files = name.map { "\($0.first) \($0.whole)" } ?? "FIRST_PART.gguf WHOLE.gguf"
    problem = """
      is part \(number) of \(count) of a split model; only whole files are read: join the parts \
      (llama.cpp: llama-gguf-split --merge \(files))
      """
  }
}

/// A name such as `model-00001-of-00002.gguf`.
struct GGUFPartName {
  let number: Int
  let count: Int
  /// The path of the first part.
  let first: String
  /// The path that the whole model would have.
  let whole: String

  /// Nil for other names, and for parts that cannot be: of one, or beyond the last.
  init?(_ path: String) {
    // -00001-of-00002.gguf
    let ending = Array(path.utf8.suffix(20))
    func digits(at place: Int) -> Int? {
      let digits = ending[place..<place + 5]
      guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
        return nil
      }
      return digits.reduce(0) { 10 * $0 + Int($1 - UInt8(ascii: "0")) }
    }
    guard ending.count == 20, ending[0] == UInt8(ascii: "-"),
      ending[6..<10] == Array("-of-".utf8)[...],
      ending[15...] == Array(".gguf".utf8)[...], let number = digits(at: 1),
      let count = digits(at: 10), count > 1, 1...count ~= number
    else { return nil }
    self.number = number
    self.count = count
    let stem = String(decoding: path.utf8.dropLast(20), as: UTF8.self)
    first = stem + "-00001-of-" + String(decoding: ending[10...], as: UTF8.self)
    whole = stem + ".gguf"
  }
}

extension GGUFFile {
  /// What part of a split model the file is; nil for a whole one.
  public var part: GGUFPart? { GGUFPart(self) }

  /// Throws `unsupported` for a part of a split model, whose other tensors are in other files.
  public func requireWhole() throws(GGUFError) {
    guard let part else { return }
    throw GGUFError(
      reason: .unsupported, file: name, subject: nil, offset: nil, problem: part.problem)
  }
}

extension GGUFError {
  /// The same, and that the file is named as a part: pieces cut by their bytes end too early, or
  /// begin with anything.
  func namingPart(of path: String) -> GGUFError {
    guard let name = GGUFPartName(path) else { return self }
    let part = GGUFPart(number: name.number, count: name.count, name: name)
    return GGUFError(
      reason: reason, file: file, subject: subject, offset: offset,
      problem: "\(problem); by its name it \(part.problem)")
  }
}
