import Tasks

/// A text that is given on the command line or in a file: exactly one of the two.
struct TextInput {
  var text: String?
  var file: String?
  /// The options' names, for messages.
  var names: (text: String, file: String)

  func read() throws -> String {
    switch (text, file) {
    case (let text?, nil): return text
    case (nil, let file?): return try TextFile.text(at: file)
    default:
      throw Failure(.usage, "give \(names.text) or \(names.file), one of the two")
    }
  }
}
