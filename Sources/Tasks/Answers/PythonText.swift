/// A text as Python sees it: a row of Unicode scalars, equal to another scalar by scalar.
///
/// Swift's `String` compares by canonical equivalence and counts grapheme clusters: "é" and
/// "e\u{301}" are equal there, "e" is no part of "e\u{301}". Scores that are to equal those of a
/// Python program need what `str` does.
struct PythonText: Hashable, ExpressibleByStringLiteral {
  let scalars: ArraySlice<Unicode.Scalar>

  init(_ text: String) { scalars = Array(text.unicodeScalars)[...] }

  init(stringLiteral text: String) { self.init(text) }

  private init(_ scalars: ArraySlice<Unicode.Scalar>) { self.scalars = scalars }

  var isEmpty: Bool { scalars.isEmpty }

  /// `part in text`; an empty part always is.
  func contains(_ part: PythonText) -> Bool { scalars.contains(part.scalars) }

  /// `text.split()`: what white space separates, never empty.
  var words: [PythonText] { split(where: Self.isSpace) }

  /// `text.split(separator)`: at least one piece, one also between two separators.
  func split(_ separator: PythonText) -> [PythonText] {
    scalars.split(separator: separator.scalars, omittingEmptySubsequences: false)
      .map(PythonText.init)
  }

  /// `text.lstrip("\n").split("\n")[0]`.
  var firstLine: PythonText { split("\n").first { !$0.isEmpty } ?? "" }

  /// `re.findall(r"\d+", text)`: runs of decimal digits of any script.
  var numbers: [PythonText] { split { !Self.isDigit($0) } }

  /// The decimal digits with which it begins.
  var leadingDigits: PythonText { PythonText(scalars.prefix(while: Self.isDigit)) }

  /// The stretches between separators, never empty.
  func split(where isSeparator: (Unicode.Scalar) -> Bool) -> [PythonText] {
    scalars.split(whereSeparator: isSeparator).map(PythonText.init)
  }

  /// The stretches of word characters and of others, in turn; together the text.
  var runs: [PythonText] {
    var runs: [PythonText] = []
    var rest = scalars
    while let first = rest.first {
      let run = rest.prefix { Self.isWordPart($0) == Self.isWordPart(first) }
      runs.append(PythonText(run))
      rest = rest.dropFirst(run.count)
    }
    return runs
  }

  /// The scalars for which `isKept` holds.
  func filter(_ isKept: (Unicode.Scalar) -> Bool) -> PythonText {
    PythonText(scalars.filter(isKept)[...])
  }

  static func + (left: PythonText, right: PythonText) -> PythonText {
    PythonText(left.scalars + right.scalars)
  }

  // MARK: Case

  /// `text.lower()`: the full mapping of Unicode, with Σ as ς at the end of a word.
  var lowercased: PythonText {
    var lower: [Unicode.Scalar] = []
    lower.reserveCapacity(scalars.count)
    for (index, scalar) in zip(scalars.indices, scalars) {
      if scalar == "Σ" {
        lower.append(isFinalSigma(at: index) ? "ς" : "σ")
      } else {
        lower += scalar.properties.lowercaseMapping.unicodeScalars
      }
    }
    return PythonText(lower[...])
  }

  /// A cased letter stands before it and none after it, whatever case-ignorable marks are between.
  private func isFinalSigma(at index: Int) -> Bool {
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased == true && after?.properties.isCased != true
  }

  // MARK: Classes of scalars

  static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .decimalNumber
  }

  /// `isspace()`: the information separators are white space too.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || 0x1C...0x1F ~= scalar.value
  }

  /// `\w` of regular expressions: letters, numbers and the underscore.
  static func isWordPart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber:
      true
    default: scalar == "_"
    }
  }

  /// `string.punctuation`, which is ASCII.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
    default: false
    }
  }
}
