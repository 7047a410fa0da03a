import Foundation
import JSON
import Testing

@Suite("Parsing JSON")
struct JSONParsingTests {
  @Test(
    "Values are read as written",
    arguments: [
      ("null", JSONValue.null), ("true", true), (" false\n", false), ("0", 0), ("-0", 0),
      ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(0x1p63)), ("9223372036854775808e0", .number(0x1p63)),
      ("-36893488147419103232", .number(-0x1p65)),
      ("0.9", 0.9), ("-1.5e-3", -0.0015), ("1E+2", 100), ("2.0", 2), ("1e300", 1e300),
      ("\"\"", ""), ("[]", []), ("{}", [:]), ("[1, [2], {\"a\": null}]", [1, [2], ["a": .null]]),
      ("{\"a\": {\"b\": [true]}, \"c\": \"d\"}", ["a": ["b": [true]], "c": "d"]),
    ] as [(String, JSONValue)])
  func values(text: String, value: JSONValue) throws {
    #expect(try JSONValue(parsing: text) == value)
  }

  @Test("A whole number is an integer however it is written, and keeps all its digits")
  func integers() throws {
    for text in ["2", "2.0", "2e0", "0.2e1", "200E-2"] {
      guard case .integer(2) = try JSONValue(parsing: text) else {
        Issue.record("\(text) is no integer")
        continue
      }
    }
    #expect(try JSONValue(parsing: "9007199254740993").canonicalText == "9007199254740993")
  }

  @Test("A number that no integer is can be shown as it is written")
  func numberTexts() throws {
    let document = try JSONDocument(
      parsing: #"{"a b" : 18446744073709551616, "c": [0.90, 2.0, "x"], "d": -1e-2}"#)
    let list = JSONPath.root.appending("c")
    #expect(document.numberText(at: .root.appending("a b")) == "18446744073709551616")
    #expect(document.numberText(at: list.appending(0)) == "0.90")
    #expect(document.numberText(at: .root.appending("d")) == "-1e-2")
    // An integer tells all of itself.
    for place in [list, list.appending(1), list.appending(2), .root, list.appending(3)] {
      #expect(document.numberText(at: place) == nil)
    }
  }

  @Test(
    "Escapes give their characters",
    arguments: [
      (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{08}\u{0C}\n\r\t"), (#""\u00e9\u0000""#, "é\u{0}"),
      (#""\uD83D\uDE00""#, "😀"), (#""\ud800\udc00""#, "\u{10000}"),
      (#""\udbff\uDFFF""#, "\u{10FFFF}"), (#""\uFFFF""#, "\u{FFFF}"), ("\"τ 😀\"", "τ 😀"),
    ])
  func escapes(text: String, string: String) throws {
    let value = try JSONValue(parsing: text)
    #expect(value.stringValue?.unicodeScalars.elementsEqual(string.unicodeScalars) == true)
  }

  @Test(
    "Mistakes are explained at their place",
    arguments: [
      (
        "",
        "line 1, column 1 ($): the text is empty; JSON is an object {…}, a list […], a string or a number"
      ),
      ("{\"a\": [1, 2,]}", "line 1, column 12 ($.a): a comma before \"]\"; remove the comma"),
      ("{\"a\": 1,\n}", "line 1, column 8 ($): a comma before \"}\"; remove the comma"),
      ("[1,,2]", "line 1, column 4 ($[1]): a comma where a value is wanted; remove one"),
      ("[1 // one\n]", "line 1, column 4 ($): JSON has no comments; remove this one"),
      ("# spec\n{}", "line 1, column 1 ($): JSON has no comments; remove this one"),
      ("{\"a\": NaN}", "line 1, column 7 ($.a): \"NaN\" is no JSON value; JSON has no such number"),
      (
        "[-Infinity]",
        "line 1, column 2 ($[0]): \"-Infinity\" is no JSON number; there are no infinities"
      ),
      ("[True]", "line 1, column 2 ($[0]): \"True\" is no JSON value; write true"),
      ("[None]", "line 1, column 2 ($[0]): \"None\" is no JSON value; write null"),
      (
        "{\"a\": full}",
        "line 1, column 7 ($.a): \"full\" is no JSON value; text stands in double quotes"
      ),
      ("{a: 1}", "line 1, column 2 ($): keys stand in double quotes; write \"a\""),
      ("{'a': 1}", "line 1, column 2 ($): a single quote; strings and keys stand in double quotes"),
      ("[“a”]", "line 1, column 2 ($[0]): a typographic quote; use the plain \""),
      ("{\"a\" = 1}", "line 1, column 6 ($.a): \"=\" after a key; write \":\""),
      ("{\"a\" 1}", "line 1, column 6 ($.a): \"1\" after a key, where \":\" is wanted"),
      ("{\"a\": 1\n \"b\": 2}", "line 1, column 8 ($): a comma is missing here"),
      ("[1 2]", "line 1, column 4 ($): \"2\" where \",\" or \"]\" is wanted"),
      (
        "{\"a\": [1, 2}",
        "line 1, column 12 ($.a): \"}\" where the list that begins in line 1, column 7 is still open; \"]\" closes it"
      ),
      (
        "{\"a\": [1",
        "line 1, column 9 ($.a): the text ends inside the list that begins in line 1, column 7; add \"]\""
      ),
      ("{} x", "line 1, column 4 ($): \"x\" follows the end of the JSON value; remove it"),
      (
        "{\"é\": 1,\n\"b\": 2, \"é\": 3}",
        "line 2, column 9 ($[\"é\"]): the key \"é\" stands twice, first in line 1, column 2; keep one"
      ),
      ("[012]", "line 1, column 2 ($[0]): \"012\" is no JSON number; leave the leading zeros out"),
      (
        "[.5]",
        "line 1, column 2 ($[0]): \".5\" is no JSON number; write a digit before the point, as in 0.5"
      ),
      (
        "[1.]",
        "line 1, column 2 ($[0]): \"1.\" is no JSON number; write a digit after the point, as in 1.0"
      ),
      ("[+1]", "line 1, column 2 ($[0]): \"+1\" is no JSON number; leave the \"+\" out"),
      ("[0x10]", "line 1, column 2 ($[0]): \"0x10\" is no JSON number; write it in decimal"),
      ("[1_000]", "line 1, column 2 ($[0]): \"1_000\" is no JSON number; leave the \"_\" out"),
      (
        "[-]",
        "line 1, column 2 ($[0]): \"-\" is no JSON number; numbers look like 12, -0.5 or 1e-3; text stands in double quotes"
      ),
      ("[1e999]", "line 1, column 2 ($[0]): the number \"1e999\" is too large; at most 1.79e308"),
      (
        "[\"a\nb\"]",
        "line 1, column 2 ($[0]): the string is not closed on its line; close it, or write \\n for a line break"
      ),
      (
        "[\"abc",
        "line 1, column 2 ($[0]): the text ends inside the string that begins here; close it with \""
      ),
      ("[\"a\tb\"]", "line 1, column 4 ($[0]): a control character in a string; write \\t instead"),
      (
        "[\"a\\x\"]",
        "line 1, column 4 ($[0]): \"x\" after a backslash; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, and a backslash itself is \\\\"
      ),
      (
        "[\"\\u12g4\"]", "line 1, column 3 ($[0]): \\u takes four hexadecimal digits, as in \\u00e9"
      ),
      (
        "[\"\\ud83d!\"]",
        "line 1, column 3 ($[0]): half a surrogate pair; characters beyond U+FFFF take two escapes, \\uD83D\\uDE00"
      ),
      (
        "[\"\\ude00\"]",
        "line 1, column 3 ($[0]): half a surrogate pair; characters beyond U+FFFF take two escapes, \\uD83D\\uDE00"
      ),
      (
        "{\u{A0}}",
        "line 1, column 2 ($): the character U+00A0 where a key in double quotes is wanted"
      ),
      (
        "\u{FEFF}{}",
        "line 1, column 1 ($): the text begins with a byte order mark; save it as UTF-8 without one"
      ),
    ])
  func mistakes(text: String, message: String) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    #expect(error?.description == message)
  }

  @Test("Bytes that are not UTF-8 are refused with their offset; UTF-16 is named")
  func encodings() {
    let broken = #expect(throws: JSONError.self) {
      try JSONValue(parsing: [UInt8(ascii: "\""), 0xC3, 0xA9, 0xFF, UInt8(ascii: "\"")])
    }
    #expect(
      broken?.description
        == "line 1, column 3 ($): the byte at offset 3 is not UTF-8; save the text as UTF-8")
    #expect(broken?.offset == 3)
    let wide = #expect(throws: JSONError.self) {
      try JSONValue(parsing: [0xFF, 0xFE, 0x7B, 0, 0x7D, 0])
    }
    #expect(wide?.message == "the text is UTF-16; save it as UTF-8")
  }

  @Test("128 levels are read; deeper ones are refused")
  func depth() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    _ = try JSONValue(parsing: nested(128))
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: nested(129)) }
    #expect(error?.message == "nested more than 128 levels deep")
    #expect(throws: JSONError.self) {
      try JSONValue(parsing: String(repeating: "{\"a\":", count: 1_000_000))
    }
  }

  @Test("A document knows where keys and list elements begin")
  func positions() throws {
    let document = try JSONDocument(
      parsing: "{\n  \"a\": [10,\n    {\"β\": 1, \"c\": 2}]\n}")
    let element = JSONPath([.key("a"), .index(1)])
    #expect(document.position(of: .root) == JSONPosition(line: 1, column: 1))
    #expect(document.position(of: JSONPath([.key("a")])) == JSONPosition(line: 2, column: 3))
    #expect(
      document.position(of: JSONPath([.key("a"), .index(0)])) == JSONPosition(line: 2, column: 9))
    #expect(document.position(of: element) == JSONPosition(line: 3, column: 5))
    #expect(document.position(of: element.appending("c")) == JSONPosition(line: 3, column: 14))
    #expect(document.position(of: element.appending("d")) == nil)
  }

  @Test("A path is written as people write it")
  func paths() {
    #expect(JSONPath.root.description == "$")
    #expect(
      JSONPath.root.appending("strategies").appending(1).appending("threshold").description
        == "$.strategies[1].threshold")
    #expect(JSONPath.root.appending("odd key").description == "$[\"odd key\"]")
    #expect(JSONPath.root.appending("").description == "$[\"\"]")
  }
}
