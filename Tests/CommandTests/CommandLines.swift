/// Command lines in help texts and pages.
enum CommandLines {
  /// The words of one as a shell splits it: without a comment, and up to a pipe or a redirection.
  static func words(of line: String) -> [String] {
    var words: [String] = []
    for word in line.matches(of: #/'([^']*)'|"([^"]*)"|([^\s'"]+)/#) {
      if let bare = word.3, bare.hasPrefix("#") || ["|", ">", ">>"].contains(bare) { break }
      words.append(String(word.1 ?? word.2 ?? word.3 ?? ""))
    }
    return words
  }

  /// The lines of a text, those that go on after a backslash as one.
  static func lines(of text: some StringProtocol) -> [String] {
    String(text).replacing(#/\\\n\s*/#, with: " ").split(separator: "\n").map(String.init)
  }
}
