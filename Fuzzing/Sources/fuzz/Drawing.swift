import Records

/// Values at the edges of what a reader may take.
extension SeededGenerator {
  mutating func chance(_ one: Int, in count: Int) -> Bool { index(below: count) < one }

  mutating func element<Element>(of elements: [Element]) -> Element {
    elements[index(below: elements.count)]
  }

  mutating func number() -> Int {
    switch index(below: 4) {
    case 0: index(below: 4)
    case 1: index(below: 1 << (1 + index(below: 40)))
    case 2: (1 << index(below: 63)) - index(below: 3)
    default: element(of: [-1, .min, .max, .max - 31, 1 << 31, 1 << 32, 1 << 61, 1 << 62, 65_536])
    }
  }

  mutating func text() -> String {
    switch index(below: 5) {
    case 0: ""
    case 1:
      element(of: [
        "\u{1B}[2J", "\u{0}", "\u{FEFF}", "e\u{301}", "\u{212A}", "\u{1F469}\u{200D}\u{1F4BB}",
        "../../x", "/", "NaN",
        "▁", "Ġ", "<0x00>", "<0xGG>", "</s>", "{context}", "\r\n", "\u{202E}",
      ])
    case 2: String(repeating: "a", count: index(below: 300))
    default:
      (0..<index(below: 12)).reduce(into: "") { text, _ in
        text.unicodeScalars.append(
          Unicode.Scalar(UInt32(index(below: chance(1, in: 4) ? 0xD7FF : 0x7F))) ?? "?")
      }
    }
  }
}
