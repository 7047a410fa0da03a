import Foundation
import JSON
import Records
import Testing

@Suite("JSON values")
struct JSONValueTests {
  /// A value of any kind, nested at most `depth` levels.
  static func randomValue(
    depth: Int, _ generator: inout SeededGenerator
  ) -> JSONValue {
    switch generator.index(below: depth > 0 ? 8 : 6) {
    case 0: return .null
    case 1: return .boolean(generator.index(below: 2) == 0)
    case 2: return .integer(Int(bitPattern: UInt(generator.next())) >> generator.index(below: 64))
    case 3:
      let value = Double(bitPattern: generator.next())
      return .number(value.isFinite ? value : 0.1)
    case 4: return .number((generator.unit() - 0.5) * 1e3)
    case 5: return .string(randomString(&generator))
    case 6:
      return .array(
        (0..<generator.index(below: 5)).map { _ in randomValue(depth: depth - 1, &generator) })
    default:
      var members: [String: JSONValue] = [:]
      for _ in 0..<generator.index(below: 5) {
        members[randomString(&generator)] = randomValue(depth: depth - 1, &generator)
      }
      return .object(members)
    }
  }

  static func randomString(_ generator: inout SeededGenerator) -> String {
    var string = ""
    for _ in 0..<generator.index(below: 8) {
      let bound = [0x20, 0x80, 0x800, 0xD800, 0x11_0000][generator.index(below: 5)]
      if let scalar = UnicodeScalar(UInt32(generator.index(below: bound))) {
        string.unicodeScalars.append(scalar)
      }
    }
    return string
  }

  @Test("Every value survives its canonical and its pretty text", arguments: 0..<200)
  func roundTrip(seed: Int) throws {
    var generator = SeededGenerator(seed: seed, purpose: "json")
    let value = Self.randomValue(depth: 4, &generator)
    let text = value.canonicalText
    #expect(try JSONValue(parsing: text) == value)
    #expect(try JSONValue(parsing: text).canonicalText == text)
    #expect(try JSONValue(parsing: value.prettyText) == value)
    #expect(try JSONValue(parsing: value.prettyText).hashValue == value.hashValue)
  }

  @Test("Foundation reads the canonical text as we do", arguments: 0..<50)
  func foundation(seed: Int) throws {
    var generator = SeededGenerator(seed: seed, purpose: "foundation")
    let value = Self.randomValue(depth: 3, &generator)
    let data = Data(value.canonicalText.utf8)
    #expect(try JSONDecoder().decode(JSONValue.self, from: data) == value)
    #expect(try JSONValue(parsing: [UInt8](JSONEncoder().encode(value))) == value)
  }

  @Test("Damaged text is read or refused, never more", arguments: 0..<400)
  func mutations(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "mutations")
    var bytes = [UInt8](Self.randomValue(depth: 4, &generator).prettyText.utf8)
    let strays = Array("{}[]\",:\\/#'-+.eE0u \n\u{0}".utf8) + [0xFF, 0xC3, 0xE2, 0x80]
    for _ in 0...generator.index(below: 4) {
      let stray = strays[generator.index(below: strays.count)]
      let place = generator.index(below: bytes.count + 1)
      switch generator.index(below: 4) {
      case 0: bytes.insert(stray, at: place)
      case 1 where place < bytes.count: bytes.remove(at: place)
      case 2 where place < bytes.count: bytes[place] = stray
      default: bytes.removeSubrange(place...)
      }
    }
    do {
      let value = try JSONValue(parsing: bytes)
      // What we accept is JSON for others too.
      #expect(throws: Never.self) {
        try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      }
      #expect((try? JSONValue(parsing: value.canonicalText)) == value)
    } catch {
      #expect(error.position.line >= 1 && error.position.column >= 1)
      #expect(!error.message.isEmpty)
    }
  }

  @Test("The canonical text sorts keys by bytes and writes numbers one way")
  func canonicalText() throws {
    let value = try JSONValue(
      parsing: #"{"b": [0.90, 2.0, 1e2, 1e20, 1e-7], "a": "\u00e9\/\u0007", "B": {}, "ä": null}"#)
    #expect(
      value.canonicalText
        == #"{"B":{},"a":"é/\u0007","b":[0.9,2,100,1e+20,1e-07],"ä":null}"#)
    #expect(JSONValue.number(2).canonicalText == "2")
    #expect(JSONValue.number(-0.0).canonicalText == "0")
    #expect(JSONValue.number(.nan).canonicalText == "null")
  }

  @Test("The pretty text keeps short lists on one line and long ones on many")
  func prettyText() {
    let value: JSONValue = [
      "name": "x", "empty": [], "list": [1, 2, 0.5], "nested": [["a": 1], ["b": [true]]],
      "long": .array((0..<40).map { .integer($0) }),
    ]
    let long = (0..<40).map { "    \($0)" }.joined(separator: ",\n")
    #expect(
      value.prettyText == """
        {
          "empty": [],
          "list": [1, 2, 0.5],
          "long": [
        \(long)
          ],
          "name": "x",
          "nested": [
            {"a": 1},
            {
              "b": [true]
            }
          ]
        }
        """)
  }

  @Test("Equal numbers are equal and hash alike, whichever case holds them")
  func equality() {
    #expect(JSONValue.number(2) == .integer(2))
    #expect(Set<JSONValue>([.number(2), .integer(2), 2.5, .number(2.5)]).count == 2)
    #expect(JSONValue.number(1e18) == .integer(1_000_000_000_000_000_000))
    #expect(JSONValue.number(9_007_199_254_740_992) != .integer(9_007_199_254_740_993))
    #expect(JSONValue.integer(0) != .boolean(false))
    #expect(JSONValue.null != .string("null"))
  }

  @Test("Keys and strings that differ in their normal form alone are different")
  func normalForms() throws {
    let (one, two) = ("\u{E9}", "e\u{301}")
    let text = "{\"\(two)\":2,\"\(one)\":1}"
    let document = try JSONDocument(parsing: text)
    let value = document.value
    #expect(value[one] == 1 && value[two] == 2)
    #expect(value.canonicalText.utf8.elementsEqual(text.utf8))
    #expect(document.position(of: JSONPath([.key(one)])) == JSONPosition(line: 1, column: 9))
    #expect(document.position(of: JSONPath([.key(two)])) == JSONPosition(line: 1, column: 2))
    #expect(JSONValue.string(one) != .string(two))
    #expect(
      Set<JSONValue>([.string(one), .string(two), .object([one: 1]), .object([two: 1])]).count == 4)
    #expect(value.objectValue?.count == 1, "a dictionary has room for one")
    let twice = #expect(throws: JSONError.self) {
      try JSONValue(parsing: "{\"\(one)\":2,\"\(one)\":1}")
    }
    #expect(twice?.message.contains("twice, first in line 1, column 2") == true)
    #expect([one, two, "z"].map(ExactText.init).sorted().map(\.text.utf8.count) == [3, 1, 2])
  }

  @Test("Accessors answer for their own kind only")
  func accessors() {
    let value: JSONValue = ["a": [1, 2.5], "b": "text", "c": true, "d": .null]
    #expect(value["a"]?[0]?.integerValue == 1)
    #expect(value["a"]?[1]?.integerValue == nil)
    #expect(value["a"]?[0]?.doubleValue == 1)
    #expect(value["a"]?[2] == nil)
    #expect(value["b"]?.stringValue == "text")
    #expect(value["b"]?["x"] == nil)
    #expect(value["c"]?.booleanValue == true)
    #expect(value["c"]?.integerValue == nil)
    #expect(value["d"]?.isNull == true)
    #expect(value["e"] == nil)
  }

  struct Sample: Codable, Equatable {
    var name: String
    var ratio: Double
    var count: Int
    var extra: Int?
    var nested: [String: [Float]]
    var raw: JSONValue
  }

  @Test("Typed values go through JSON unchanged")
  func typed() throws {
    let sample = Sample(
      name: "a/b\n", ratio: 0.1, count: .max, nested: ["x": [0.1, 3]], raw: [1, .null, "z", 0.3])
    let value = try JSONValue(encoding: sample)
    #expect(
      value == [
        "name": "a/b\n", "ratio": 0.1, "count": .integer(.max), "nested": ["x": [0.1, 3]],
        "raw": [1, .null, "z", 0.3],
      ])
    #expect(try value.decode(as: Sample.self) == sample)
    #expect(throws: DecodingError.self) { try JSONValue.null.decode(as: Sample.self) }
    #expect(try JSONValue(encoding: 1e20) == .number(1e20))
  }
}
