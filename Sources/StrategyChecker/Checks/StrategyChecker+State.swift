import Attention
import Tensors

/// What a state holds beside keys and values, measured by reflection, against what it says.
extension StrategyChecker {
  /// Lengths at which windows and blocks of the small parameters are full, and 1 in 8 bytes a token would be seen.
  private static let lengths = 3 * ParameterSets.windowSize..<8 * ParameterSets.windowSize

  /// What the state holds may grow with prompt and decoded tokens no faster than `cacheBytes` does.
  func checkState(_ subject: CheckSubject, log: inout CheckLog) {
    let n = subject.promptTokens
    // What covers everything at n does not at 2n.
    guard Self.lengths.contains(n), !subject.checkCase.coversEverything else { return }
    log.look(at: .stateIsCounted)
    let sequence = SyntheticSequence(
      shape: subject.shape, tokens: 2 * n, seed: subject.checkCase.seed)
    var short = SequencePlayer(subject.begun(), sequence)
    short.step(n)
    let before = sizes(short.session)
    _ = short.finish(prompt: n)
    var long = SequencePlayer(
      AttentionSession(
        subject.configured.forPrompt(of: 2 * n, shape: subject.shape), shape: subject.shape,
        workspace: workspace, cache: subject.checkCase.cache), sequence)
    long.step(2 * n)
    for (after, what) in [
      (sizes(long.session), "a prompt of \(2 * n)"),
      (sizes(short.session), "a prompt of \(n) and \(n) decode steps"),
    ] {
      for (layer, (small, large)) in zip(before, after).enumerated() {
        let grown = large.held - small.held
        let counted = large.counted - small.counted
        if grown - counted > n / 8 {
          log.fail(
            .stateIsCounted,
            "layer \(layer): after \(what) tokens the state holds \(grown) bytes more than after a prompt of \(n), but cacheBytes counts \(counted) of them"
          )
        }
      }
    }
  }

  /// Bytes by layer.
  private func sizes(_ session: AttentionSession) -> [(held: Int, counted: Int)] {
    session.states.map { (heldBytes(of: $0.state), $0.cacheBytes) }
  }
}

/// Bytes that a value holds in arrays, sets, dictionaries and strings, its own and those nested in it.
///
/// - Parameter depth: how far nesting is followed; objects may go round in circles.
private func heldBytes(of value: Any, depth: Int = 12) -> Int {
  let own = (value as? any Storage)?.storedBytes ?? 0
  guard depth > 0 else { return own }
  return Mirror(reflecting: value).children.reduce(own) {
    $0 + heldBytes(of: $1.value, depth: depth - 1)
  }
}

/// What holds its elements elsewhere.
private protocol Storage: Collection {}

extension Storage {
  fileprivate var storedBytes: Int { count * MemoryLayout<Element>.stride }
}

extension Array: Storage {}
extension ArraySlice: Storage {}
extension ContiguousArray: Storage {}
extension Dictionary: Storage {}
extension Set: Storage {}
extension String: Storage {}
