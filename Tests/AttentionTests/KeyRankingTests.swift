import Attention
import Records
import Testing

@Suite("Partial selection")
struct KeyRankingTests {
  @Test(
    "The most and least important keys are those of a sort, ties by position", arguments: 0..<40)
  func equalsSort(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "ranking")
    let count = 1 + generator.index(below: 300)
    let levels = 1 + generator.index(below: seed % 2 == 0 ? 4 : 1_000_000)
    let importance = (0..<count).map { _ in Float(generator.index(below: levels)) }
    let keys = (0..<count).filter { _ in generator.index(below: 3) > 0 }
    let sorted = keys.sorted {
      importance[$0] == importance[$1] ? $0 < $1 : importance[$0] > importance[$1]
    }
    var ranking = KeyRanking()
    for wanted in [0, 1, keys.count / 2, keys.count - 1, keys.count, keys.count + 5]
    where wanted >= 0 {
      var most: Set<Int> = []
      ranking.forMostImportant(wanted, of: importance.span, in: keys) { most.insert($0) }
      #expect(most == Set(sorted.prefix(wanted)))
      var least: Set<Int> = []
      ranking.forLeastImportant(wanted, of: importance.span, in: keys) { least.insert($0) }
      #expect(least == Set(sorted.suffix(wanted)))
    }
  }

  @Test("The largest are at the front, the smallest of them last", arguments: 0..<40)
  func largestToFront(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "front")
    let count = 1 + generator.index(below: 200)
    let values = (0..<count).map { _ in generator.index(below: 1 + seed * 3) }
    for wanted in 0...count {
      var moved = values
      moved.moveLargestToFront(wanted)
      #expect(moved.sorted() == values.sorted())
      let sorted = values.sorted(by: >)
      #expect(moved.prefix(wanted).sorted(by: >) == Array(sorted.prefix(wanted)))
      if wanted > 0 { #expect(moved[wanted - 1] == sorted[wanted - 1]) }
    }
  }

  @Test("Importance that is no number ranks last")
  func notANumber() {
    let importance: [Float] = [.nan, 0, 0.5, -1, .infinity]
    var ranking = KeyRanking()
    var order: [Int] = []
    for count in 1...5 {
      var top: Set<Int> = []
      ranking.forMostImportant(count, of: importance.span, in: 0..<5) { top.insert($0) }
      order += top.subtracting(order)
    }
    #expect(order == [4, 2, 0, 1, 3])
  }
}
