/// The folder that an experiment's files are written into where none is named.
enum ExperimentFolder {
  /// - Parameter option: by which a user names another folder.
  /// - Throws: a failure where the name leads out of `parent`. A spec cannot be named so; a database may
  ///   hold whatever somebody wrote into it.
  static func path(
    in parent: String, of name: String, otherwise option: String = "--output"
  ) throws -> String {
    guard !["", ".", ".."].contains(name), !name.utf8.contains(UInt8(ascii: "/")) else {
      throw Failure(
        .usage,
        "\"\(name)\" is the name of an experiment and none for a folder; name the folder with \(option)"
      )
    }
    return "\(parent)/\(name)"
  }
}
