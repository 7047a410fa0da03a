import Foundation
import JSON
import Records

/// The tasks that are built in.
public struct TaskRegistry: Sendable {
  /// In the order in which lists show them.
  public let tasks: [any ExperimentTask.Type]

  /// All tasks that this program has.
  public static let builtIn = TaskRegistry(tasks: [
    PerplexityTask.self, PasskeyTask.self, RulerTask.self, LongBenchTask.self, JSONLinesTask.self,
    AttentionTask.self,
  ])

  /// What each task says of itself.
  public var descriptions: [TaskDescription] { tasks.map { $0.description } }

  /// The description of the task with that name, or nil.
  public func description(named name: String) -> TaskDescription? {
    descriptions.first { $0.name == name }
  }

  /// A task ready to make samples.
  ///
  /// - Parameters:
  ///   - parameters: checked against the description; what is left out has its default.
  ///   - folder: where relative paths start.
  /// - Throws: a ``TaskError`` for an unknown name or unfit parameters, a ``TextError`` for its
  ///   text.
  public func task(
    named name: String, parameters: JSONValue, folder: URL
  ) throws -> any ExperimentTask {
    let type = try type(named: name)
    return try make(type, parameters, folder)
  }

  /// What a task has against its parameters at a context length; empty for parameters that the
  /// description refuses.
  public func problems(
    of name: String, parameters: JSONValue, contextLength: Int
  ) -> [ConfigurationError] {
    guard let type = try? type(named: name) else { return [] }
    return problems(type, parameters, contextLength)
  }

  /// The same with a text that is certainly too short; relative paths start at `folder`.
  public func problems(
    of name: String, parameters: JSONValue, contextLength: Int, folder: URL
  ) -> [ConfigurationError] {
    guard let type = try? type(named: name) else { return [] }
    return problems(type, parameters, contextLength)
      + textProblems(type, parameters, contextLength, folder)
  }

  /// What is wrong in the files that a task's parameters name; empty for parameters that the
  /// description refuses.
  public func fileProblems(
    of name: String, parameters: JSONValue, folder: URL
  ) -> [ConfigurationError] {
    guard let type = try? type(named: name) else { return [] }
    return fileProblems(type, parameters, folder)
  }

  /// Parameters with one spelling for what means the same; see
  /// ``ExperimentTask/canonical(_:contextLength:)``.
  package func canonical(
    _ parameters: [String: JSONValue], of name: String, contextLength: Int
  ) -> [String: JSONValue] {
    guard let type = try? type(named: name) else { return parameters }
    return type.canonical(parameters, contextLength: contextLength)
  }

  /// How long a sample of a task is, roughly; see ``ExperimentTask/expectedLength(of:contextLength:)``.
  package func expectedLength(
    of name: String, parameters: JSONValue, contextLength: Int
  ) -> SampleLength {
    guard let type = try? type(named: name) else { return SampleLength(prompt: contextLength) }
    return expectedLength(type, parameters, contextLength)
  }

  private func type(named name: String) throws(TaskError) -> any ExperimentTask.Type {
    guard let type = tasks.first(where: { $0.description.name == name }) else {
      let known = descriptions.map(\.name).joined(separator: ", ")
      throw TaskError(task: name, problem: "is not known; known are \(known)")
    }
    return type
  }

  private func make<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue, _ folder: URL
  ) throws -> any ExperimentTask {
    let configuration: Task.Configuration
    do {
      configuration = try decode(Task.self, parameters)
    } catch {
      throw TaskError(
        task: type.description.name,
        problem: "the parameters \(parameters.canonicalText) do not fit its description")
    }
    return try Task(configuration, folder: folder)
  }

  private func problems<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue, _ contextLength: Int
  ) -> [ConfigurationError] {
    guard let configuration = try? decode(Task.self, parameters) else { return [] }
    return Task.problems(of: configuration, contextLength: contextLength)
  }

  private func textProblems<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue, _ contextLength: Int, _ folder: URL
  ) -> [ConfigurationError] {
    guard let configuration = try? decode(Task.self, parameters) else { return [] }
    return Task.textProblems(of: configuration, contextLength: contextLength, folder: folder)
  }

  private func fileProblems<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue, _ folder: URL
  ) -> [ConfigurationError] {
    guard let configuration = try? decode(Task.self, parameters) else { return [] }
    return Task.fileProblems(of: configuration, folder: folder)
  }

  private func expectedLength<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue, _ contextLength: Int
  ) -> SampleLength {
    guard let configuration = try? decode(Task.self, parameters) else {
      return SampleLength(prompt: contextLength)
    }
    return Task.expectedLength(of: configuration, contextLength: contextLength)
  }

  private func decode<Task: ExperimentTask>(
    _ type: Task.Type, _ parameters: JSONValue
  ) throws -> Task.Configuration {
    var members = parameters.objectValue ?? [:]
    for parameter in type.description.parameters where members[parameter.name] == nil {
      members[parameter.name] = parameter.defaultValue
    }
    return try JSONValue.object(members).decode()
  }
}
