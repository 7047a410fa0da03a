import LabTestSupport
import Records
import Tokenization

/// A tokenizer's tables, as a list of lines: first the kind, then tokens, merges or scores, then a
/// text to encode.
///
/// A line is a letter and its content: `t` a token of type 1, `1` to `7` a token of that type, `m` a
/// merge, `s` a score, `b` `e` `u` the special ids, `x` a text.
enum TokenizerFormat: FuzzedFormat {
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    var lines: [String] = []
    if generator.chance(1, in: 2) {
      lines.append("k" + generator.element(of: PreTokenizer.allCases).rawValue)
      lines += TinyVocabulary.tokens.dropFirst(17).map { "t" + $0 }
      lines += TinyVocabulary.merges.map { "m" + $0 }
    } else {
      lines.append("k" + generator.element(of: ["space", "plain"]))
      lines += ["2<unk>", "3<s>", "3</s>"]
      let hex = Array("0123456789ABCDEF")
      lines += (0..<256).map { "6<0x\(hex[$0 / 16])\(hex[$0 % 16])>" }
      lines += ["▁", "t", "h", "e", "▁t", "he", "▁the", "in", "i", "n"].map { "t" + $0 }
      lines += (0..<269).map { _ in "s\(-generator.index(below: 40))" }
      lines += ["u0", "b1", "e2"]
    }
    lines.append("xThe thing is in there, 'tis 1234 " + generator.text())
    return changed(lines, &generator)
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    return lines.isEmpty ? nil : changed(lines, &generator)
  }

  private static func changed(_ lines: [String], _ generator: inout SeededGenerator) -> [UInt8] {
    var lines = lines
    for _ in 0..<generator.index(below: 4) where !lines.isEmpty {
      let place = generator.index(below: lines.count)
      switch generator.index(below: 6) {
      case 0: lines.remove(at: place)
      case 1: lines.insert(lines[generator.index(below: lines.count)], at: place)
      case 2: lines[place] = generator.element(of: letters) + lines[place].dropFirst()
      case 3: lines[place] = lines[place].prefix(1) + generator.text()
      case 4: lines[place] += lines[generator.index(below: lines.count)].dropFirst()
      default:
        lines.insert(
          generator.element(of: letters)
            + (generator.chance(1, in: 2) ? "\(generator.number())" : generator.text()), at: place)
      }
    }
    return Array(lines.joined(separator: "\n").utf8)
  }

  static func read(_ bytes: [UInt8]) {
    let tables = Tables(bytes)
    expectingErrors {
      let tokenizer = try Tokenizer(tables.vocabulary())
      for text in tables.texts {
        let ids = tokenizer.encode(text)
        let count = tokenizer.vocabulary.tokens.count
        precondition(ids.allSatisfy { 0..<count ~= Int($0) }, "an id outside of the vocabulary")
        var stream = TextStream(tokenizer)
        for id in ids { _ = stream.append(id) }
        _ = stream.finish()
        let bare = tokenizer.encode(text, addsBOS: false)
        // What damaged tables write need not be the text; that of whole ones is, as `TokenizationTests` see.
        _ = (tokenizer.decode(bare), tokenizer.writable(text))
      }
      _ = tokenizer.decode([-1, .max, .min, 0])
    }
  }

  private static let letters = [
    "k", "t", "1", "2", "3", "4", "5", "6", "7", "m", "s", "b", "e", "u", "x",
  ]

  private struct Tables {
    var kind = ""
    var tokens: [String] = []
    var types: [Int] = []
    var merges: [String] = []
    var scores: [Float] = []
    var ids: [Character: Int] = [:]
    var texts: [String] = []

    init(_ bytes: [UInt8]) {
      for line in bytes.split(separator: 0x0A) {
        let text = String(decoding: line.dropFirst(), as: UTF8.self)
        let letter = Character(Unicode.Scalar(line[line.startIndex]))
        switch letter {
        case "k": kind = text
        case "t":
          tokens.append(text)
          types.append(1)
        case "0"..."9":
          tokens.append(text)
          types.append(letter.wholeNumberValue ?? 0)
        case "m": merges.append(text)
        case "s": scores.append(Float(text) ?? 0)
        case "b", "e", "u": ids[letter] = Int(text)
        case "x": texts.append(text)
        default: break
        }
      }
    }

    func vocabulary() throws -> Vocabulary {
      let vocabularyKind: Vocabulary.Kind =
        ["space", "plain"].contains(kind)
        ? .sentencePiece(scores: scores, addsSpacePrefix: kind == "space")
        : .byteLevel(try PreTokenizer(named: kind), merges: merges)
      return try Vocabulary(
        vocabularyKind, tokens: tokens, tokenTypes: types, bosToken: ids["b"], eosToken: ids["e"],
        unknownToken: ids["u"], addsBOS: ids["b"].map { $0 >= 0 })
    }
  }
}
