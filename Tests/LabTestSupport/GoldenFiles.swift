import Foundation

/// Files of stored values in `Tests/Golden`, for tests only: the paths are those of the checkout that was built.
public enum GoldenFiles {
  /// The path of a file there, such as "quantization.gguf".
  public static func path(_ name: String) -> String {
    folder.appendingPathComponent(name).path
  }

  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Tests/Golden")
}
