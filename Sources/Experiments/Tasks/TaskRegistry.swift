import Records

/// The tasks that are built in.
public struct TaskRegistry: Sendable {
  /// What each task says of itself, in the order in which lists show them.
  public let descriptions: [TaskDescription]

  /// All tasks that this program has.
  public static let builtIn = TaskRegistry(descriptions: [
    PerplexityTask.description, PasskeyTask.description,
  ])

  /// The description of the task with that name, or nil.
  public func description(named name: String) -> TaskDescription? {
    descriptions.first { $0.name == name }
  }
}
