import Kernels
import Tensors
import Testing

/// A cache against a plain list of tokens.
@Suite("KV cache of one head")
struct KVHeadTests {
  /// What the cache should hold: a row of keys, a row of values and a position for each token.
  struct Model {
    var tokens: [(position: Int, key: [Float], value: [Float])] = []

    mutating func retain(_ selection: Selection, newestQuery: Int) {
      tokens.removeAll { !selection.attends(to: $0.position, fromQuery: newestQuery) }
    }
  }

  static func append(
    _ count: Int, at position: Int, to head: KVHead, _ model: inout Model,
    _ numbers: inout TestNumbers
  ) {
    let d = head.headDimension
    let column = numbers.integer(0..<5)
    let keys = numbers.matrix(count, d + 7)
    let values = numbers.matrix(count, d + 7)
    head.append(keys: keys, values: values, column: column, firstPosition: position)
    for row in 0..<count {
      model.tokens.append(
        (
          position + row, (0..<d).map { keys[row, column + $0] },
          (0..<d).map { values[row, column + $0] }
        ))
    }
  }

  static func expectSame(
    _ head: KVHead, _ model: Model, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(head.count == model.tokens.count, "\(comment)", sourceLocation: sourceLocation)
    guard head.count == model.tokens.count else { return }
    let keys = head.keys
    let values = head.values
    #expect(
      Array(head.positions) == model.tokens.map { Int32($0.position) }, "\(comment)",
      sourceLocation: sourceLocation)
    for (slot, token) in model.tokens.enumerated() {
      #expect(head.position(ofSlot: slot) == token.position, sourceLocation: sourceLocation)
      let row = (0..<head.headDimension).map { (keys.row(slot)[$0], values.row(slot)[$0]) }
      #expect(
        row.map(\.0) == token.key && row.map(\.1) == token.value, "\(comment), slot \(slot)",
        sourceLocation: sourceLocation)
    }
  }

  @Test("Appending and retaining at random keeps exactly the selected tokens", arguments: 0..<40)
  func randomLife(seed: Int) {
    var numbers = TestNumbers(seed: seed)
    let head = KVHead(headDimension: [1, 4, 16][seed % 3])
    var model = Model()
    var next = 0
    for step in 0..<30 {
      if numbers.integer(0..<3) > 0 {
        if numbers.integer(0..<4) == 0 { next += numbers.integer(0..<20) }  // a gap of positions
        let count = [1, 1, 1, 2, 63, 64, 65, 300][numbers.integer(0..<8)]
        Self.append(count, at: next, to: head, &model, &numbers)
        next += count
      } else if next > 0 {
        let window = LocalWindow(
          width: [0, 5, 40, 100][numbers.integer(0..<4)],
          alignment: [1, 16, 64][numbers.integer(0..<3)])
        let selection = Selection.random(
          below: next + 10, density: [0, 0.1, 0.5, 0.9, 1][numbers.integer(0..<5)],
          longest: [1, 9, 200][numbers.integer(0..<3)], window: window, &numbers)
        head.retain(selection, newestQuery: next - 1)
        model.retain(selection, newestQuery: next - 1)
      }
      Self.expectSame(head, model, "step \(step)")
      #expect(head.logicalBytes == head.count * head.headDimension * 8)
      #expect(head.allocatedBytes >= head.logicalBytes)
      for position in [0, next / 3, next / 2, next, next + 5] {
        #expect(
          head.slot(atOrAfter: position)
            == model.tokens.firstIndex { $0.position >= position } ?? model.tokens.count)
      }
    }
  }

  @Test("Memory falls when tokens leave, and stays within an eighth and a page of what is held")
  func memoryFalls() {
    var numbers = TestNumbers(seed: 1)
    var model = Model()
    let head = KVHead(headDimension: 16)
    let perToken = 16 * 2 * 4 + 4
    Self.append(2000, at: 0, to: head, &model, &numbers)
    #expect(head.allocatedBytes == 2000 * perToken)
    var sinks = Selection(window: LocalWindow(width: 99))
    sinks.keep(0..<4)
    head.retain(sinks, newestQuery: 1999)
    #expect(head.count == 104)
    #expect(head.allocatedBytes <= (104 + 2 * KVHead.pageTokens) * perToken)
    // A cache that is cut at every step does not grow.
    for position in 2000..<4000 {
      Self.append(1, at: position, to: head, &model, &numbers)
      head.retain(sinks, newestQuery: position)
      #expect(head.count == 104)
      #expect(head.allocatedBytes <= (104 + 3 * KVHead.pageTokens) * perToken)
    }
    head.removeAll()
    #expect(head.count == 0 && head.allocatedBytes == 0)
  }

  @Test("Without slack a compaction leaves no more than the page that the next token needs")
  func compactsTightly() {
    var numbers = TestNumbers(seed: 2)
    var model = Model()
    let head = KVHead(headDimension: 16)
    Self.append(192, at: 0, to: head, &model, &numbers)
    let selection = Selection(window: LocalWindow(width: 99))
    head.retain(selection, newestQuery: 191, keepsSlack: false)
    model.retain(selection, newestQuery: 191)
    Self.expectSame(head, model, "compacted")
    #expect(head.count == 100)
    #expect(head.allocatedBytes == 128 * (16 * 2 * 4 + 4))
  }

  @Test("Growing token by token wastes no more than an eighth and a page")
  func growth() {
    var numbers = TestNumbers(seed: 2)
    var model = Model()
    let head = KVHead(headDimension: 4)
    for position in 0..<3000 {
      Self.append(1, at: position, to: head, &model, &numbers)
      let limit = position + 1 + position / 8 + 2 * KVHead.pageTokens
      #expect(head.allocatedBytes <= limit * (4 * 2 * 4 + 4))
    }
    Self.expectSame(head, model)
  }

  @Test("A cache knows whether it holds everything")
  func holdsEverything() {
    var numbers = TestNumbers(seed: 3)
    var model = Model()
    let head = KVHead(headDimension: 2)
    #expect(head.holdsEverything)
    Self.append(10, at: 0, to: head, &model, &numbers)
    #expect(head.holdsEverything)
    head.retain(Selection(window: LocalWindow(width: 4)), newestQuery: 9)
    #expect(!head.holdsEverything && head.count == 5)
  }
}
