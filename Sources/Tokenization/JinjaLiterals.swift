/// The texts that a Jinja template can write out, in order: the string literals in its tags, and
/// what stands between tags, without the white space that Jinja leaves out there (with
/// `trim_blocks` and `lstrip_blocks`, as transformers has it).
///
/// Comments are skipped; nothing is run.
struct JinjaLiterals {
  struct Literal {
    var text: String
    /// The code of its tag, with a space for each string; empty between tags.
    var code = ""

    /// True for a literal of a `set` statement.
    var isAssigned: Bool {
      code.split { $0 == "-" || $0 == "+" || $0.isWhitespace }.first == "set"
    }

    /// True where white space around a text is removed beside it.
    var isTrimming: Bool { code.contains(/\|\s*trim|\.strip\(\)/) }
  }

  private(set) var all: [Literal] = []
  /// The index of the first literal after the last `add_generation_prompt` in a tag; nil without.
  private(set) var generationStart: Int?

  private let source: [Unicode.Scalar]
  private var place = 0

  init(_ template: String) {
    // Jinja reads every line end as a line feed.
    source = Array(
      template.replacing("\r\n", with: "\n").replacing("\r", with: "\n").unicodeScalars)
    var trim = Trim.nothing
    while place < source.count {
      readText(after: trim)
      guard place < source.count else { break }
      trim = source[place + 1] == "#" ? skipComment() : readTag()
    }
  }

  /// The literals after the last `add_generation_prompt`; all of them where there is none.
  var ofGenerationPrompt: ArraySlice<Literal> { all[(generationStart ?? 0)...] }

  // MARK: Reading

  /// What a tag's end takes away of the text behind it.
  private enum Trim { case nothing, lineFeed, whiteSpace }

  /// Reads up to the next tag.
  private mutating func readText(after trim: Trim) {
    let start = place
    while place < source.count, !isTag(at: place) { place += 1 }
    var text = source[start..<place]
    // A line begins after a line feed that is left out, too.
    var beginsLine = start == 0
    switch trim {
    case .nothing: break
    case .lineFeed:
      if text.first == "\n" {
        text.removeFirst()
        beginsLine = true
      }
    case .whiteSpace: text = text.drop { $0.properties.isWhitespace }
    }
    if place < source.count {
      let sign = place + 2 < source.count ? source[place + 2] : nil
      if sign == "-" {
        while text.last?.properties.isWhitespace == true { text.removeLast() }
      } else if sign != "+", source[place + 1] != "{" {
        let line = text.reversed().prefix { $0 != "\n" && $0.properties.isWhitespace }.count
        if line == text.count ? beginsLine : text.dropLast(line).last == "\n" {
          text.removeLast(line)
        }
      }
    } else if text.last == "\n" {
      text.removeLast()
    }
    if !text.isEmpty { all.append(Literal(text: String(String.UnicodeScalarView(text)))) }
  }

  private func isTag(at place: Int) -> Bool {
    source[place] == "{" && place + 1 < source.count
      && "{%#".unicodeScalars.contains(source[place + 1])
  }

  private mutating func skipComment() -> Trim {
    place += 2
    while place + 1 < source.count, source[place] != "#" || source[place + 1] != "}" { place += 1 }
    let sign = source[place - 1]
    place = min(place + 2, source.count)
    return Self.trim(after: sign)
  }

  /// What a tag takes away that ends with this sign.
  private static func trim(after sign: Unicode.Scalar?) -> Trim {
    sign == "-" ? .whiteSpace : sign == "+" ? .nothing : .lineFeed
  }

  /// Reads the literals of a tag.
  private mutating func readTag() -> Trim {
    let opening = source[place + 1]
    let closing: Unicode.Scalar = opening == "{" ? "}" : "%"
    place += 2
    var code = String.UnicodeScalarView()
    var texts: [String] = []
    while place < source.count {
      let scalar = source[place]
      if scalar == closing, place + 1 < source.count, source[place + 1] == "}" { break }
      if scalar == "'" || scalar == "\"" {
        texts.append(readString())
        code.append(" ")
      } else {
        code.append(scalar)
        place += 1
      }
    }
    place = min(place + 2, source.count)
    let tag = texts.map { Literal(text: $0, code: String(code)) }
    all += tag
    if String(code).contains("add_generation_prompt"), tag.first?.isAssigned != true {
      generationStart = all.count
    }
    return opening == "{" && code.last != "-" ? .nothing : Self.trim(after: code.last)
  }

  private mutating func readString() -> String {
    let quote = source[place]
    place += 1
    var text = String.UnicodeScalarView()
    while place < source.count, source[place] != quote {
      var scalar = source[place]
      if scalar == "\\", place + 1 < source.count {
        place += 1
        switch source[place] {
        case "n": scalar = "\n"
        case "t": scalar = "\t"
        case "r": scalar = "\r"
        case "\\", "'", "\"": scalar = source[place]
        default:
          text.append("\\")
          scalar = source[place]
        }
      }
      text.append(scalar)
      place += 1
    }
    place += 1
    return String(text)
  }
}
