import JSON

extension Sequence {
  /// Elements under their keys, both in the order of first appearance.
  func grouped<Key: Hashable>(_ key: (Element) -> Key) -> [(key: Key, elements: [Element])] {
    var places: [Key: Int] = [:]
    var groups: [(key: Key, elements: [Element])] = []
    for element in self {
      let key = key(element)
      if let place = places[key] {
        groups[place].elements.append(element)
      } else {
        places[key] = groups.count
        groups.append((key, [element]))
      }
    }
    return groups
  }

  /// Elements that have all of these names in common, byte for byte.
  func groupedByNames(_ names: (Element) -> [String]) -> [[Element]] {
    grouped { names($0).map(ExactText.init) }.map(\.elements)
  }
}

extension Sequence where Element: Hashable {
  /// Each element once, in the order of first appearance.
  var uniqued: [Element] { grouped { $0 }.map(\.key) }
}
