/// A part of a model that was split into several files.
public struct GGUFPart: Sendable, Hashable {
  /// Counted from 1.
  public let number: Int
  /// How many parts there are, at least 2.
  public let count: Int

  /// Nil for a file that is whole: its `split.count` is 1, or it has none and no name such as
  /// `model-00001-of-00002.gguf`.
  init?(_ file: GGUFFile) {
    let named = GGUFPart(fileName: file.name)
    guard let count = file.metadata["split.count"]?.integer else {
      guard let named else { return nil }
      self = named
      return
    }
    guard count > 1 else { return nil }
    number = file.metadata["split.no"]?.integer.map { $0 + 1 } ?? named?.number ?? 1
    self.count = count
  }

  /// What a file's name says: `-00001-of-00002.gguf` at its end.
  init?(fileName: String) {
    guard
      let match = fileName.wholeMatch(of: /.*-([0-9]{5})-of-([0-9]{5})\.gguf/.dotMatchesNewlines()),
      let number = Int(match.1), let count = Int(match.2), count > 1, 1...count ~= number
    else { return nil }
    self.number = number
    self.count = count
  }

  /// What is wrong with it and what to do; begins with a verb.
  var problem: String {
    "is part \(number) of \(count) of a split model; only whole files are read: join the parts (llama.cpp: llama-gguf-split --merge FIRST_PART.gguf WHOLE.gguf)"
  }
}

extension GGUFFile {
  /// Throws `unsupported` for a part of a split model, whose other tensors are in other files.
  public func requireWhole() throws(GGUFError) {
    guard let part = GGUFPart(self) else { return }
    throw GGUFError(
      reason: .unsupported, file: name, subject: nil, offset: nil, problem: part.problem)
  }
}
