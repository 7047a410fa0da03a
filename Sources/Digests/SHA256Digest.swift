import COpenSSL
import Foundation

/// SHA-256, in lower-case hexadecimal, by the system's libcrypto.
public enum SHA256Digest {
  /// Of the UTF-8 bytes of a text.
  public static func of(_ text: String) -> String { of(Data(text.utf8)) }

  public static func of(_ data: Data) -> String {
    var state = DigestState()
    state.update(data)
    return state.finish()
  }

  /// Of a file; throws what reading throws.
  public static func ofFile(at path: String) throws -> String {
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    return try ofFile(handle)
  }

  /// Of an open file from its beginning, whatever its path leads to by now; read in pieces of 1 MiB.
  public static func ofFile(_ handle: FileHandle) throws -> String {
    try handle.seek(toOffset: 0)
    var state = DigestState()
    while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
      state.update(piece)
    }
    return state.finish()
  }
}

/// libcrypto's running digest, freed with this value.
private struct DigestState: ~Copyable {
  private let context: OpaquePointer

  /// Traps where libcrypto has no memory or refuses SHA-256.
  init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("SHA256Digest: libcrypto gives no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  mutating func update(_ data: Data) {
    let isTaken = data.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    precondition(isTaken == 1, "SHA256Digest: libcrypto refused \(data.count) bytes")
  }

  consuming func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    let isDone = EVP_DigestFinal_ex(context, &digest, nil)
    precondition(isDone == 1, "SHA256Digest: libcrypto gave no digest")
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
