import JSON
import Records

extension Pool {
  /// What the cells of a pool have in common: everything but what they are about.
  struct Key: Hashable, Sendable {
    var model: String
    var contextLength: Int
    var task: String
    var taskProtocol: String?
    var queryAware: Bool
    /// Those of the task, without the ones that say what it is about.
    var parameters: JSONValue

    /// `perplexity/continuation`
    var kind: String { taskProtocol.map { "\(task)/\($0)" } ?? task }

    static let queryAwareName = ParameterDescription.queryAware.name

    fileprivate var placeAndKind: [String] { [model, "\(contextLength)", kind] }

    /// What may tell it from another of its place and kind.
    fileprivate var distinguishing: [String: JSONValue] {
      var parameters = parameters.objectValue ?? [:]
      parameters[Self.queryAwareName] = .boolean(queryAware)
      return parameters
    }
  }
}

extension Pool.Key {
  /// One for each cell.
  ///
  /// How a text is read goes with the text: the shipped `code` keeps its lines, novels do not. Where one is read in
  /// several ways each of them has a pool of its own, for in one pool the text would count as often.
  static func all(of cells: [CellRecord]) -> [Pool.Key] {
    let subjects = cells.map(TaskSubject.init)
    var readings: [TaskSubject.Text: JSONValue] = [:]
    var ofSeveral: Set<Pool.Key> = []
    for subject in subjects {
      let other = readings.updateValue(subject.reading, forKey: subject.text)
      if let other, other != subject.reading { ofSeveral.insert(subject.text.pool) }
    }
    return subjects.map { ofSeveral.contains($0.text.pool) ? $0.poolOfReading : $0.text.pool }
  }

  /// What tells pools from others of their place and kind, by name: `scoredTokens` 256, `queryAware` false.
  static func distinctions(of keys: [Pool.Key]) -> [Pool.Key: [String: String]] {
    let keys = keys.uniqued
    // Only pools of one place are compared, since defaults may depend on the length.
    var names: [String: Set<String>] = [:]
    for (_, rivals) in keys.grouped(\.placeAndKind) {
      names[rivals[0].kind, default: []]
        .formUnion(TaskLabels.distinguishing(rivals.map(\.distinguishing)))
    }
    return Dictionary(
      uniqueKeysWithValues: keys.map { key in
        var distinction: [String: String] = [:]
        for name in names[key.kind] ?? [] {
          let value = key.distinguishing[name] ?? .null
          distinction[name] = value.stringValue ?? value.canonicalText
        }
        return (key, distinction)
      })
  }

  /// `joinLines=false queryAware=true`
  static func words(of distinction: [String: String]) -> String {
    distinction.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
  }
}

/// A cell's task: what it is about, and all else.
private struct TaskSubject {
  /// A text, a file of questions or a task of a family, among those that it may be taken together with.
  struct Text: Hashable {
    let pool: Pool.Key
    let subject: JSONValue
  }

  /// The parameters that say what a task is about.
  private static let names: Set<String> = ["corpus", "dataset", "file", "folder", "task"]
  private static let readingName = "joinLines"

  let text: Text
  /// Null where there is one way only.
  let reading: JSONValue

  init(_ cell: CellRecord) {
    var common = cell.taskParameters.objectValue ?? [:]
    reading = common.removeValue(forKey: Self.readingName) ?? .null
    let subject = common.filter { Self.names.contains($0.key) }
    for name in subject.keys { common[name] = nil }
    text = Text(
      pool: Pool.Key(
        model: cell.model, contextLength: cell.contextLength, task: cell.task,
        taskProtocol: cell.taskProtocol, queryAware: cell.queryAware, parameters: .object(common)),
      subject: .object(subject))
  }

  /// Without the texts that are read in another way.
  var poolOfReading: Pool.Key {
    var key = text.pool
    key.parameters = key.parameters.replacing(Self.readingName, by: reading)
    return key
  }
}
