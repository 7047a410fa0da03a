/// One value of `general.architecture`, and how a file's metadata become a blueprint under it.
struct Architecture: Sendable {
  let name: String
  /// Settings that `blueprint` does not read, and the values under which they change nothing.
  let unusedSettings: [String: [String]]
  let blueprint: @Sendable (inout DecoderMetadata) throws(ModelError) -> DecoderBlueprint

  /// All that this program runs, each in a file of its own.
  static let supported: [Architecture] = [.llama]
}
