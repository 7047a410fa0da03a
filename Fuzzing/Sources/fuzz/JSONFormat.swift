import JSON
import Records

/// Changes of JSON values: their kind, their size, their place.
enum JSONChange {
  /// The value with one to four places changed.
  static func of(_ value: JSONValue, words: [String], _ generator: inout SeededGenerator)
    -> JSONValue
  {
    (0...generator.index(below: 4)).reduce(value) { value, _ in
      change(value, words, depth: 0, &generator)
    }
  }

  private static func change(
    _ value: JSONValue, _ words: [String], depth: Int, _ generator: inout SeededGenerator
  ) -> JSONValue {
    switch value {
    case .array(var elements) where !elements.isEmpty && generator.chance(7, in: 8):
      let place = generator.index(below: elements.count)
      switch generator.index(below: 8) {
      case 0: elements.remove(at: place)
      case 1: elements.append(elements[place])
      case 2: elements.insert(any(words, depth, &generator), at: place)
      default:
        elements[place] = change(elements[place], words, depth: depth + 1, &generator)
      }
      return .array(elements)
    case .object(var object) where !object.isEmpty && generator.chance(7, in: 8):
      let (key, old) = generator.element(of: object.members)
      switch generator.index(below: 8) {
      case 0: object[key] = nil
      case 1: object[generator.element(of: words)] = old
      case 2: object[generator.element(of: words)] = any(words, depth, &generator)
      default: object[key] = change(old, words, depth: depth + 1, &generator)
      }
      return .object(object)
    default:
      return generator.chance(1, in: 8)
        ? .array([value, any(words, depth, &generator)]) : any(words, depth, &generator)
    }
  }

  private static func any(
    _ words: [String], _ depth: Int, _ generator: inout SeededGenerator
  ) -> JSONValue {
    switch generator.index(below: depth < 6 ? 10 : 8) {
    case 0: .null
    case 1: .boolean(generator.chance(1, in: 2))
    case 2, 3: .integer(generator.number())
    case 4: .number(generator.element(of: [0.5, -0.5, 1e308, 5e-324, 1e19, 0.1, -1e300]))
    case 5, 6: .string(generator.element(of: words))
    case 7: .string(generator.text())
    case 8:
      .array((0..<generator.index(below: 5)).map { _ in any(words, depth + 2, &generator) })
    default:
      .object(
        Dictionary(
          (0..<generator.index(below: 4)).map { _ in
            (generator.element(of: words), any(words, depth + 2, &generator))
          }, uniquingKeysWith: { first, _ in first }))
    }
  }
}
