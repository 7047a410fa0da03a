import Digests
import Foundation
import GGUF

/// The file behind a loaded model, which other programs may change while it is in use.
final class WeightsFile {
  private let mapped: MappedFile?
  private let path: String
  /// The state in which the file had the digest.
  private var state: MappedFile.State?
  private var known: String?

  init(_ file: GGUFFile) {
    path = file.name
    mapped = file.storage as? MappedFile
    state = mapped?.opened
  }

  /// SHA-256 of the file that is mapped, computed when first asked for.
  func digest() throws -> String {
    if let known { return known }
    let digest = try computed()
    known = digest
    return digest
  }

  /// Throws where the bytes are not those that were opened. The digest is computed again only where
  /// size or times say that the file was touched.
  func requireUnchanged() throws {
    guard let mapped else { return }
    let now = try mapped.state()
    guard now != state else { return }
    guard let known, try computed() == known else {
      throw WeightsFileError(path: path, change: "was written to while it was in use")
    }
    state = now
  }

  private func computed() throws -> String {
    guard let mapped else { return try SHA256Digest.ofFile(at: path) }
    return try SHA256Digest.ofFile(
      FileHandle(fileDescriptor: mapped.descriptor, closeOnDealloc: false))
  }
}

/// Why what a model computed is not to be stored.
struct WeightsFileError: Error, CustomStringConvertible {
  let path: String
  let change: String

  var description: String {
    "\(path): \(change); nothing that was computed with it since is stored: leave the file alone and run again"
  }
}
