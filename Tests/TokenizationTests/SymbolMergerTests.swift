import Testing

@testable import Tokenization

@Suite("Merging")
struct SymbolMergerTests {
  /// The definition: find the pair of lowest rank, the leftmost of equal ones, merge it, start
  /// over.
  private func reference<Symbol: Sendable>(
    _ symbols: [Symbol], _ rule: (Symbol, Symbol) -> Merge<Symbol>?
  ) -> [Symbol] {
    var symbols = symbols
    while true {
      var best: (place: Int, merge: Merge<Symbol>)?
      for place in symbols.indices.dropLast() {
        guard let merge = rule(symbols[place], symbols[place + 1]) else { continue }
        if best.map({ merge.rank < $0.merge.rank }) ?? true { best = (place, merge) }
      }
      guard let best else { return symbols }
      symbols.replaceSubrange(best.place...best.place + 1, with: [best.merge.merged])
    }
  }

  private func model(_ vocabulary: Vocabulary) throws -> ByteLevelModel {
    guard case .byteLevel(let preTokenizer, let merges) = vocabulary.kind else {
      throw TokenizationError(.unsupported, "no byte-level vocabulary")
    }
    return try ByteLevelModel(
      tokens: vocabulary.tokens, merges: merges, preTokenizer: preTokenizer)
  }

  @Test("Merging is what its definition says, for any order of merges", arguments: 0..<20)
  func againstReference(seed: Int) throws {
    var generator = TestGenerator(state: UInt64(seed))
    let merges = TestVocabulary.randomMerges(60, over: ["a", "b", "c"], using: &generator)
      .shuffled(using: &generator)
    let model = try model(try TestVocabulary.make(merges: merges))
    var merger = SymbolMerger<Int32>()
    for length in 0..<80 {
      let word = (0..<length).map { _ in UInt8.random(in: 97...99, using: &generator) }
      var ids: [Int32] = []
      model.append(word[...], to: &ids, with: &merger)
      let bytes = word.map { model.merges.byteTokens[Int($0)] }
      #expect(ids == reference(bytes) { model.merges.merge($0, $1) })
    }
  }

  @Test("Pairs of one rank merge from the left, whatever merges between", arguments: 0..<20)
  func equalRanks(seed: Int) {
    var generator = TestGenerator(state: UInt64(seed))
    var pairs: [String: UInt32] = [:]
    for _ in 0..<30 {
      let text = (0..<Int.random(in: 2...6, using: &generator)).map { _ in
        Bool.random(using: &generator) ? "a" : "b"
      }.joined()
      pairs[text] = UInt32.random(in: 0...3, using: &generator)
    }
    let rule = { (left: String, right: String) in
      pairs[left + right].map { Merge(rank: $0, merged: left + right) }
    }
    var merger = SymbolMerger<String>()
    for length in 0..<60 {
      let word = (0..<length).map { _ in Bool.random(using: &generator) ? "a" : "b" }
      var symbols = word
      merger.merge(&symbols, by: rule)
      #expect(symbols == reference(word, rule))
    }
  }

  @Test("The leftmost of equal pairs merges first")
  func leftmost() throws {
    let model = try model(try TestVocabulary.make(merges: ["a a"]))
    var merger = SymbolMerger<Int32>()
    var ids: [Int32] = []
    model.append(Array("aaa".utf8)[...], to: &ids, with: &merger)
    #expect(ids == [256, 97])
  }

  @Test("A byte without a token is left out, and its neighbours meet")
  func missing() throws {
    let model = try model(try TestVocabulary.make(merges: ["a b"], without: [0xF1, 0x04]))
    var merger = SymbolMerger<Int32>()
    var ids: [Int32] = []
    model.append([0x61, 0x04, 0x62], to: &ids, with: &merger)
    model.append([0x04], to: &ids, with: &merger)
    let table = model.merges
    #expect(ids == [table.merge(table.byteTokens[0x61], table.byteTokens[0x62])?.merged])
  }

  @Test("The heap gives candidates in order")
  func heap() {
    var generator = TestGenerator(state: 1)
    var heap = CandidateHeap()
    var all: [CandidateHeap.Candidate] = []
    for place in 0..<500 {
      let rank = UInt32.random(in: 0..<60, using: &generator)
      all.append(CandidateHeap.Candidate(rank: rank, place: place))
    }
    for candidate in all.shuffled(using: &generator) { heap.insert(candidate) }
    var popped: [CandidateHeap.Candidate] = []
    while let candidate = heap.popFirst() { popped.append(candidate) }
    #expect(popped == all.sorted())
  }
}
