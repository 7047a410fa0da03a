import Records

/// One `--against NAME=PATH`.
public struct PeerArgument: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case llamaCpp = "llama.cpp"
    case pyTorch = "pytorch"
  }

  public var kind: Kind
  /// Of the program: llama-bench, or a Python interpreter.
  public var path: String

  /// Throws for another shape or an unknown name.
  public init(_ text: String) throws(PeerError) {
    let known = Kind.allCases.map(\.rawValue).joined(separator: "=PATH or ") + "=PATH"
    guard let equals = text.firstIndex(of: "=") else {
      throw PeerError("--against is \"\(text)\"; allowed is \(known)")
    }
    let name = String(text[..<equals])
    guard let kind = Kind(rawValue: name.lowercased()) else {
      throw PeerError("--against names \"\(name)\"; allowed is \(known)")
    }
    do {
      path = try WrittenPath.file(String(text[text.index(after: equals)...]))
    } catch {
      throw PeerError("--against \(name)=PATH: \(error); allowed is \(known)")
    }
    self.kind = kind
  }
}
