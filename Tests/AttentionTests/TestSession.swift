import Attention
import JSON
import Tensors
import Testing
import Threads

extension AttentionSession {
  /// A registered strategy at work: configured from a spec's object, checked, and given its budget
  /// for a prompt. Throws what a plan would report.
  convenience init(
    _ name: String, _ parameters: JSONValue = [:],
    shape: AttentionShape = AttentionSessionTests.shape, promptTokens: Int = 100,
    workspace: Workspace? = nil
  ) throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    let configured = try entry.configure(parameters)
    try configured.check(promptTokens: promptTokens, shape: shape)
    self.init(
      configured.forPrompt(of: promptTokens, shape: shape), shape: shape,
      workspace: workspace ?? Workspace(workers: WorkerPool()))
  }

  /// The positions that a KV head holds.
  func held(_ kvHead: Int, layer: Int = 0) -> [Int] {
    caches[layer][kvHead].positions.map { Int($0) }
  }
}

/// Takes down what a session's queries attend to, block by block.
final class SelectionLog {
  private(set) var blocks: [(queries: Range<Int>, selections: HeadSelections)] = []

  init(_ session: AttentionSession) {
    session.observer = { [weak self] _, decision, selections in
      if case .attending(let queries) = decision { self?.blocks.append((queries, selections)) }
    }
  }

  /// Those of the last block.
  var last: HeadSelections { blocks[blocks.count - 1].selections }
}
