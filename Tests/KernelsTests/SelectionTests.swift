import Tensors
import Testing

/// Selections against plain sets of positions.
@Suite("Selections")
struct SelectionTests {
  static func set(_ selection: Selection) -> Set<Int> { Set(selection.runs.flatMap { Array($0) }) }

  static func expectCanonical(
    _ selection: Selection, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(selection.runs.allSatisfy { !$0.isEmpty }, sourceLocation: sourceLocation)
    for (left, right) in zip(selection.runs, selection.runs.dropFirst()) {
      #expect(left.upperBound < right.lowerBound, sourceLocation: sourceLocation)
    }
  }

  @Test("Keeping, dropping and uniting in any order match sets of positions", arguments: 0..<200)
  func operations(seed: Int) {
    var numbers = TestNumbers(seed: seed)
    var selection = Selection()
    var expected = Set<Int>()
    for _ in 0..<25 {
      let begin = numbers.integer(0..<60)
      let range = begin..<begin + numbers.integer(0..<12)
      switch numbers.integer(0..<6) {
      case 0, 1:
        selection.keep(range)
        expected.formUnion(range)
      case 2:
        selection.keep(begin)
        expected.insert(begin)
      case 3:
        selection.drop(range)
        expected.subtract(range)
      case 4:
        let other = Selection.random(
          below: 70, density: 0.3, longest: 5, window: .currentToken, &numbers)
        selection.formUnion(runsOf: other)
        expected.formUnion(Self.set(other))
      default:
        if numbers.integer(0..<10) == 0 {
          selection.removeRuns()
          expected = []
        }
      }
      Self.expectCanonical(selection)
      #expect(Self.set(selection) == expected)
      #expect(selection.runTokenCount == expected.count)
    }
    for position in -1..<80 {
      #expect(selection.isInRun(position) == expected.contains(position))
    }
  }

  @Test("Two selections of the same positions are equal however they came about", arguments: 0..<50)
  func equality(seed: Int) {
    var numbers = TestNumbers(seed: seed)
    let positions = (0..<30).map { _ in numbers.integer(0..<50) }
    var first = Selection()
    for position in positions { first.keep(position) }
    var second = Selection()
    for position in positions.sorted() { second.keep(position) }
    #expect(first == second)
  }

  @Test("What a query attends to is its window and the runs before it", arguments: 0..<60)
  func attends(seed: Int) {
    var numbers = TestNumbers(seed: seed)
    let window = LocalWindow(
      width: [0, 1, 5, 16, 1000][seed % 5], alignment: [1, 3, 8, 16][seed % 4])
    let selection = Selection.random(
      below: 100, density: 0.3, longest: 6, window: window, &numbers)
    for query in 0..<100 {
      let start = max(0, query / window.alignment * window.alignment - window.width)
      #expect(window.start(forQuery: query) == start)
      var count = 0
      for position in -1..<110 {
        let expected =
          position >= 0 && position <= query
          && (position >= start || selection.runs.contains { $0.contains(position) })
        #expect(selection.attends(to: position, fromQuery: query) == expected)
        count += expected ? 1 : 0
      }
      #expect(selection.attendedCount(fromQuery: query) == count)
      #expect(selection.attends(to: query, fromQuery: query))
    }
  }

  @Test("Everything is everything")
  func everything() {
    #expect(Selection.everything.isEverything)
    #expect(!Selection().isEverything)
    #expect(Selection.everything.attendedCount(fromQuery: 999_999) == 1_000_000)
    #expect(LocalWindow.everything.start(forQuery: .max) == 0)
  }
}
