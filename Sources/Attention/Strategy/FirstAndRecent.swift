import Tensors

/// The first tokens and the most recent ones: what queries attend to, and what a cache holds for the
/// next of them.
struct FirstAndRecent: Sendable, Hashable {
  let first: Int
  /// The query's own token included; at least 1.
  let recent: Int

  /// What a query attends to.
  var attended: Selection { .firstAndRecent(first, recent) }

  /// What stays once the newest query has attended. The next one's own token will be the most recent,
  /// so it sees one fewer of those that are held. The newest stays in any case, since no cache drops
  /// it.
  var kept: Selection { .firstAndRecent(first, recentKept) }

  /// Tokens that stay, where there are as many.
  var keptCount: Int { first + recentKept }

  private var recentKept: Int { max(1, recent - 1) }

  /// Whether tokens leave before the query at `position` attends.
  func leavesOut(before position: Int) -> Bool { position > keptCount }
}
