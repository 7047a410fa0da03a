import JSON

/// One thing that is wrong with a spec.
public struct SpecProblem: Sendable, Hashable, CustomStringConvertible {
  public var path: JSONPath
  /// Where the place stands in the file; nil where the whole file is meant.
  public var position: JSONPosition?
  /// What the spec says there, or the key at fault; nil where the message says it.
  public var value: String?
  public var message: String
  public var allowed: String?
  /// The known word that is nearest to the value.
  public var suggestion: String?

  public init(
    path: JSONPath, position: JSONPosition?, value: String? = nil, message: String,
    allowed: String? = nil, suggestion: String? = nil
  ) {
    self.path = path
    self.position = position
    self.value = value
    self.message = message
    self.allowed = allowed
    self.suggestion = suggestion
  }

  /// `4:12 $.strategies[1].threshold: "1.5" is out of range; allowed: a number from 0 to 1`
  public var description: String {
    var text = position.map { "\($0.line):\($0.column) " } ?? ""
    text += "\(path): "
    if let value { text += "\"\(value)\" " }
    text += message
    if let allowed { text += "; allowed: \(allowed)" }
    if let suggestion { text += "; did you mean \"\(suggestion)\"?" }
    return text
  }
}

/// All that is wrong with a spec, in the order of its text.
public struct SpecError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file's name.
  public var source: String
  public var problems: [SpecProblem]
  /// No more problems than this are noted.
  public static let most = 1000

  public init(source: String, problems: [SpecProblem]) {
    self.source = source
    self.problems = problems
  }

  public var description: String {
    let count =
      problems.count == 1
      ? "1 problem" : "\(problems.count)\(problems.count < Self.most ? "" : " or more") problems"
    return
      (["\(source): \(count) (line:column JSON path: what is wrong)"]
      + problems.map { "  \($0)" }).joined(separator: "\n")
  }
}
