import Crypto
import Foundation

/// SHA-256, in lower-case hexadecimal.
public enum SHA256Digest {
  /// Of the UTF-8 bytes of a text.
  public static func of(_ text: String) -> String { of(Data(text.utf8)) }

  public static func of(_ data: Data) -> String {
    hexadecimal(SHA256.hash(data: data))
  }

  /// Of a file, read in pieces of 1 MiB; throws what reading throws.
  public static func ofFile(at path: String) throws -> String {
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    var digest = SHA256()
    while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
      digest.update(data: piece)
    }
    return hexadecimal(digest.finalize())
  }

  private static func hexadecimal(_ digest: SHA256.Digest) -> String {
    digest.map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }
}
