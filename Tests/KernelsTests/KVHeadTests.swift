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

  // MARK: Formats

  @Test(
    "A cache of any format gives back what its format makes of the rows, whatever has left",
    arguments: CacheFormat.tested, 0..<4)
  func everyFormat(format: CacheFormat, seed: Int) {
    var numbers = TestNumbers(seed: 100 + seed)
    let small = [32, 64, 96, 128][seed]
    let d = format.complaint(headDimension: small) == nil ? small : 2 * small
    let head = KVHead(headDimension: d, format: format)
    let prompt = [1, 100, 300, 640][seed]
    let tokens = prompt + 150
    let keys = numbers.matrix(tokens, d)
    let values = numbers.matrix(tokens, d)
    var held = FormatModel(format, headDimension: d, keys: keys, values: values, prompt: prompt)
    var next = 0
    while next < tokens {
      let count = next == 0 ? prompt : 1
      head.append(
        keys: keys.copy(ofRows: next..<next + count),
        values: values.copy(ofRows: next..<next + count), column: 0, firstPosition: next)
      held.positions += next..<next + count
      next += count
      held.expectSame(head, seen: next, isSettled: false)
      let cutsOften = seed % 2 == 1
      if next == prompt || numbers.integer(0..<(cutsOften ? 3 : 40)) == 0 {
        let selection = Selection.random(
          below: next, density: cutsOften ? 0.97 : 0.4, longest: 30, window: LocalWindow(width: 9),
          &numbers)
        head.retain(selection, newestQuery: next - 1, keepsSlack: next > prompt)
        held.positions.removeAll { !selection.attends(to: $0, fromQuery: next - 1) }
        held.expectSame(head, seen: next, isSettled: false)
      }
      head.settle()
      held.expectSame(head, seen: next, isSettled: true)
    }
    head.removeAll()
    #expect(head.allocatedBytes == 0 && head.logicalBytes == 0)
  }

  @Test("What is allocated is what the format takes", arguments: RowFormat.allCases)
  func formatBytes(format: RowFormat) {
    var numbers = TestNumbers(seed: 5)
    let head = KVHead(headDimension: 64, format: CacheFormat(format))
    let rows = numbers.matrix(1000, 64)
    head.append(keys: rows, values: rows, column: 0, firstPosition: 0)
    head.settle()
    let row = format.rowBytes(width: 64)
    // Of 1,000 tokens KIVI has 104 keys and 128 values as half floats, a Lloyd format four sinks and 64 others.
    let exact = format.isGrouped ? 104 + 128 : 2 * (format.sinkTokens + format.recentTokens)
    // And the means of its keys and values, as floats.
    let means = (format.centresKeys ? 64 * 4 : 0) + (format.centresValues ? 64 * 4 : 0)
    let expected = (2000 - exact) * row + exact * 128 + means
    #expect(head.logicalBytes == expected)
    // Beside positions there are 4 bytes for each group of keys; or scales and highest bits, 4 and 2, of whole groups of 32,
    // and 8 for each.
    let groups =
      format.isGrouped ? 32 * 4 : format == .nested ? 24 * (2 + 32 + 2 + 16) + 2 * 32 * 8 : 0
    #expect(head.allocatedBytes == expected + 4000 + groups)
  }

  @Test("A group of keys leaves with the last of its tokens", arguments: [RowFormat.kivi4, .kivi2])
  func groupsLeave(format: RowFormat) {
    var numbers = TestNumbers(seed: 6)
    let head = KVHead(headDimension: 32, format: CacheFormat(format))
    let rows = numbers.matrix(256, 32)
    head.append(keys: rows, values: rows, column: 0, firstPosition: 0)
    head.settle()
    let row = format.rowBytes(width: 32)
    var selection = Selection(window: .currentToken)
    selection.keep(40..<41)
    selection.keep(63..<64)
    selection.keep(64..<65)
    head.retain(selection, newestQuery: 255)
    // Three groups of keys; three quantised values, and an exact one.
    #expect(head.count == 4 && head.logicalBytes == 3 * 32 * row + 3 * row + 64)
    #expect(head.logicalBytes == (3 * 32 + 3) * row + 64)
  }
}

/// What a cache of some format is to give back: by the format's own rounding of whole rows, and the
/// ages at which rows are rounded.
private struct FormatModel {
  let format: CacheFormat
  let prompt: Int
  /// Exact, as half floats, and quantised; keys in groups with all tokens, whichever have left.
  let keys: [Matrix]
  let values: [Matrix]
  var positions: [Int] = []

  init(_ format: CacheFormat, headDimension d: Int, keys: Matrix, values: Matrix, prompt: Int) {
    self.format = format
    self.prompt = prompt
    let tokens = keys.rows
    let halves = (
      format.keys.storedExactly(keys, headDimension: d),
      format.values.storedExactly(values, headDimension: d)
    )
    // What follows the prompt, and what it leaves exact, has been rounded to half floats before.
    func source(
      _ format: RowFormat, _ exact: Matrix, _ half: Matrix, firstHalf: Int
    ) -> Matrix {
      guard format.changesWithAge, format != .nested else { return exact }
      var result = Matrix(rows: (tokens + 127) / 128 * 128, columns: d)
      result.replaceRows(from: 0, with: half, rows: 0..<tokens)
      result.replaceRows(from: 0, with: exact, rows: 0..<max(0, firstHalf))
      return result
    }
    self.keys = [
      keys, halves.0,
      format.keys.stored(
        source(format.keys, keys, halves.0, firstHalf: format.keys.old(of: prompt, asKeys: true)),
        headDimension: d, asKeys: true, prompt: keys.copy(ofRows: 0..<prompt)),
    ]
    self.values = [
      values, halves.1,
      format.values.stored(
        source(
          format.values, values, halves.1, firstHalf: format.values.old(of: prompt, asKeys: false)),
        headDimension: d, prompt: values.copy(ofRows: 0..<prompt)),
    ]
  }

  func expectSame(_ head: KVHead, seen: Int, isSettled: Bool) {
    #expect(head.positions.map { Int($0) } == positions)
    let (keys, values) = (head.keys, head.values)
    // Before it settles, the state of the token before.
    let settled = isSettled ? seen : (seen == prompt ? 0 : seen - 1)
    var wrong: [String] = []
    for (slot, position) in positions.enumerated() {
      let key = self.row(
        format.keys, self.keys, position, settled, end: format.keys.old(of: settled, asKeys: true))
      let value = self.row(
        format.values, self.values, position, settled,
        end: format.values.old(of: settled, asKeys: false))
      if Array(keys.row(slot)) != key { wrong.append("key of \(position)") }
      if Array(values.row(slot)) != value { wrong.append("value of \(position)") }
    }
    #expect(wrong.isEmpty, "\(format.label), \(seen) seen: \(wrong.prefix(3))")
  }

  private func row(
    _ format: RowFormat, _ rows: [Matrix], _ position: Int, _ settled: Int, end: Int
  ) -> [Float] {
    let isOld = position >= format.sinkTokens && position < end
    let index = !format.changesWithAge || isOld ? 2 : settled == 0 ? 0 : 1
    let matrix = rows[index]
    return Array(matrix.row(position))
  }
}

extension RowFormat {
  /// Keys that are held by channel, in groups of tokens.
  fileprivate var isGrouped: Bool { self == .kivi4 || self == .kivi2 }

  /// Positions below this are quantised once so many tokens have attended, but for sinks.
  fileprivate func old(of seen: Int, asKeys: Bool) -> Int {
    // Its later tokens are rounded when they come.
    if self == .nested { return seen == 0 ? 0 : .max }
    return asKeys && isGrouped ? seen / 128 * 128 : seen - recentTokens
  }
}
