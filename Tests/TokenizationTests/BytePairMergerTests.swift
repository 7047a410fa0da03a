import Testing

@testable import Tokenization

@Suite("Byte-pair merging")
struct BytePairMergerTests {
  /// The definition: find the pair of lowest rank, the leftmost of equal ones, merge it, start over.
  private func reference(_ word: [UInt8], _ table: MergeTable) -> [Int32] {
    var tokens = word.map { table.byteTokens[Int($0)] }.filter { $0 >= 0 }
    while true {
      var best: (place: Int, merge: MergeTable.Merge)?
      for place in tokens.indices.dropLast() {
        guard let merge = table.merge(tokens[place], tokens[place + 1]) else { continue }
        if best.map({ merge.rank < $0.merge.rank }) ?? true { best = (place, merge) }
      }
      guard let best else { return tokens }
      tokens.replaceSubrange(best.place...best.place + 1, with: [best.merge.merged])
    }
  }

  @Test("Merging is what its definition says, for any order of merges", arguments: 0..<20)
  func againstReference(seed: Int) throws {
    var generator = TestGenerator(state: UInt64(seed))
    let merges = TestVocabulary.randomMerges(60, over: ["a", "b", "c"], using: &generator)
      .shuffled(using: &generator)
    let table = try MergeTable(try TestVocabulary.make(merges: merges))
    var merger = BytePairMerger(table)
    for length in 0..<80 {
      let word = (0..<length).map { _ in UInt8.random(in: 97...99, using: &generator) }
      var ids: [Int32] = []
      merger.append(word[...], to: &ids)
      #expect(ids == reference(word, table))
    }
  }

  @Test("The leftmost of equal pairs merges first")
  func leftmost() throws {
    let table = try MergeTable(try TestVocabulary.make(merges: ["a a"]))
    var merger = BytePairMerger(table)
    var ids: [Int32] = []
    merger.append(Array("aaa".utf8)[...], to: &ids)
    #expect(ids == [256, 97])
  }

  @Test("A byte without a token is left out, and its neighbours meet")
  func missing() throws {
    let table = try MergeTable(try TestVocabulary.make(merges: ["a b"], without: [0xF1, 0x04]))
    var merger = BytePairMerger(table)
    var ids: [Int32] = []
    merger.append([0x61, 0x04, 0x62], to: &ids)
    merger.append([0x04], to: &ids)
    #expect(ids == [table.merge(table.byteTokens[0x61], table.byteTokens[0x62])?.merged])
  }

  @Test("The heap gives candidates in order")
  func heap() {
    var generator = TestGenerator(state: 1)
    var heap = CandidateHeap()
    var all: [CandidateHeap.Candidate] = []
    for place in 0..<500 {
      let rank = Int32.random(in: 0..<60, using: &generator)
      all.append(CandidateHeap.Candidate(rank: rank, place: place))
    }
    for candidate in all.shuffled(using: &generator) { heap.insert(candidate) }
    var popped: [CandidateHeap.Candidate] = []
    while let candidate = heap.popFirst() { popped.append(candidate) }
    #expect(popped == all.sorted())
  }
}
