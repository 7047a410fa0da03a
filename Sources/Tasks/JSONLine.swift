import JSON
import Records

/// One line of a JSON Lines file: an object, with errors that name file, line and key.
struct JSONLine {
  let file: String
  /// Counted from 1.
  let number: Int
  /// Keys that are not looked at have null.
  let members: [String: JSONValue]

  /// The lines of a text that are not empty.
  ///
  /// - Parameter keys: those that are looked at; what the others hold is not checked.
  static func lines(
    of corpus: Corpus, reading keys: Set<String>
  ) throws(TextError) -> [JSONLine] {
    var lines: [JSONLine] = []
    let rows = corpus.text.utf8.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, row) in rows.enumerated() {
      let isBlank = row.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
      if !isBlank {
        lines.append(
          try JSONLine(Array(row), reading: keys, file: corpus.name, number: index + 1))
      }
    }
    guard !lines.isEmpty else {
      throw TextError(file: corpus.name, problem: "holds no line; each is to be a JSON object")
    }
    return lines
  }

  private init(
    _ bytes: [UInt8], reading keys: Set<String>, file: String, number: Int
  ) throws(TextError) {
    self.file = file
    self.number = number
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes, reading: keys)
    } catch {
      throw TextError(
        file: file,
        problem: "line \(number), column \(error.position.column): \(error.message)")
    }
    guard let members = value.objectValue else {
      throw TextError(
        file: file, problem: "line \(number) is \(value.kindName); each is to be a JSON object")
    }
    self.members = members
  }

  /// An error about this line; begins after its number.
  func error(_ problem: String) -> TextError {
    TextError(file: file, problem: "line \(number): \(problem)")
  }

  func text(_ key: String) throws(TextError) -> String {
    let value = try required(key, "a text")
    guard let text = value.stringValue else { throw wrong(key, value, "a text") }
    return text
  }

  /// A list of texts, at least one; a text alone counts as a list of it.
  func texts(_ key: String) throws(TextError) -> [String] {
    let allowed = "a text, or a list of texts, at least one"
    let value = try required(key, allowed)
    if let text = value.stringValue { return [text] }
    let texts = (value.arrayValue ?? []).compactMap(\.stringValue)
    guard !texts.isEmpty, texts.count == value.arrayValue?.count else {
      throw wrong(key, value, allowed)
    }
    return texts
  }

  /// Nil where the key is missing or null.
  func optionalTexts(_ key: String) throws(TextError) -> [String]? {
    guard let value = members[key], !value.isNull else { return nil }
    return try texts(key)
  }

  func count(_ key: String) throws(TextError) -> Int {
    let value = try required(key, "a whole number, at least 0")
    guard let number = value.integerValue, number >= 0 else {
      throw wrong(key, value, "a whole number, at least 0")
    }
    return number
  }

  private func required(_ key: String, _ allowed: String) throws(TextError) -> JSONValue {
    if let value = members[key] { return value }
    let near = members.keys.sorted().filter { NearestWord.to($0, among: [key]) != nil }.first
    throw error(
      "the key \"\(key)\" is missing; allowed: \(allowed)"
        + (near.map { "; is \"\($0)\" meant for it?" } ?? ""))
  }

  private func wrong(_ key: String, _ value: JSONValue, _ allowed: String) -> TextError {
    error("\"\(key)\" is \(value.shortText); allowed: \(allowed)")
  }
}
