import Kernels
import Tensors

/// The keys and values of a sequence in one layer as a cache of some format holds them when a query
/// attends, worked out token by token from the format's definition.
///
/// Most formats round a row when it comes. Others hold a prompt exactly while it attends; after it, what has the age
/// (KIVI's keys of whole 128 tokens, else all but the newest and the sinks) is quantised, what else there is of the
/// prompt and all that follows are half floats until their turn comes; `nested` rounds what follows at once.
struct HeldRows {
  private let keys: Rounded
  private let values: Rounded

  /// - Parameters:
  ///   - keys, values: as they were computed, rows by token.
  init(_ format: CacheFormat, shape: AttentionShape, keys: Matrix, values: Matrix, prompt: Int) {
    let d = shape.headDimension
    self.keys = Rounded(
      keys, format.keys, headDimension: d, prompt: prompt, asKeys: true
    ) { seen in
      switch format.keys {
      case .kivi4, .kivi2: seen / 128 * 128
      case .nested: .max
      default: seen - format.keys.recentTokens
      }
    }
    self.values = Rounded(
      values, format.values, headDimension: d, prompt: prompt, asKeys: false
    ) { format.values == .nested ? .max : $0 - format.values.recentTokens }
  }

  /// The rows to which the query at a position attends: row `token` of what is given.
  func keys(of token: Int, at query: Int) -> Matrix { keys.held(token, at: query) }
  func values(of token: Int, at query: Int) -> Matrix { values.held(token, at: query) }

  /// All keys, and all values, in each state that they pass through.
  var states: [(keys: Matrix, values: Matrix)] {
    zip(keys.states, values.states).map { ($0, $1) }
  }

  /// Keys or values.
  private struct Rounded {
    let prompt: Int
    let changesWithAge: Bool
    let sinks: Int
    /// As they came, as half floats, and in the format.
    let states: [Matrix]
    /// Tokens before this one are quantised once so many have been seen.
    let border: (_ seen: Int) -> Int

    init(
      _ exact: Matrix, _ format: RowFormat, headDimension d: Int, prompt: Int, asKeys: Bool,
      border: @escaping (Int) -> Int
    ) {
      self.prompt = prompt
      self.border = border
      changesWithAge = format.changesWithAge
      sinks = format.sinkTokens
      guard changesWithAge else {
        let stored = format.stored(exact, headDimension: d)
        states = [stored, stored, stored]
        return
      }
      let halves = format.storedExactly(exact, headDimension: d)
      var source = Matrix(rows: (exact.rows + 127) / 128 * 128, columns: exact.columns)
      source.replaceRows(from: 0, with: halves, rows: 0..<exact.rows)
      source.replaceRows(from: 0, with: exact, rows: 0..<min(exact.rows, max(0, border(prompt))))
      let stored = format.stored(
        source, headDimension: d, asKeys: asKeys, prompt: exact.copy(ofRows: 0..<prompt))
      states = [exact, halves, stored]
    }

    func held(_ token: Int, at query: Int) -> Matrix {
      if query < prompt { return states[0] }
      // The newest tokens have settled, the query's own has not.
      return states[token >= sinks && token < border(query) ? 2 : 1]
    }
  }
}
