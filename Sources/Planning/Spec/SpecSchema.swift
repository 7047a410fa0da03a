import Attention
import JSON
import Records
import Synthesis
import Tensors

/// The JSON Schema of spec files, for editors; made from the same descriptions that specs are checked against.
///
/// The reader is stricter: files, catalogue names, contexts and what budgets match are beyond a schema.
public enum SpecSchema {
  public static func json(
    strategies: [StrategyDescription], tasks: [TaskDescription]
  ) -> JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "An experiment of tca-lab",
      "description": "Every model x context length x strategy x task is a cell of the experiment.",
      "type": "object",
      "required": ["schemaVersion", "name", "models", "contextLengths", "strategies", "tasks"],
      "additionalProperties": false,
      "properties": properties(strategies: strategies, tasks: tasks),
      "$defs": .object(
        Dictionary(
          uniqueKeysWithValues: shared
            + strategies.map { (definition(of: $0), strategy($0, strategies)) })),
    ]
  }

  /// What several places of a spec have in common, by the names of its definitions.
  private static var shared: [(String, JSONValue)] {
    budgets + [(CacheAxis.name, cache), ("contextLengths", ownContextLengths)]
  }

  private static func properties(
    strategies: [StrategyDescription], tasks: [TaskDescription]
  ) -> JSONValue {
    [
      "$schema": ["type": "string"],
      "schemaVersion": ["const": .integer(ExperimentSpec.schemaVersion)],
      "name": [
        "type": "string", "pattern": #"^[^./\\\s-]([^/\\]*[^/\\\s])?$"#, "maxLength": 100,
        "description": "names the experiment in the database and its folder under results",
      ],
      "question": ["type": "string", "description": "what the experiment is to find out"],
      "models": list(of: model),
      "contextLengths": list(of: contextLength),
      "strategies": list(of: oneOf(strategies)),
      "tasks": list(of: ["oneOf": .array(tasks.map(task))]),
      "cache": ["$ref": "#/$defs/cache"],
      "metrics": list(
        of: ["enum": .array(ResultKind.allCases.map { .string($0.rawValue) })]),
      "primary": list(of: [
        "type": "array", "minItems": 2, "maxItems": 2, "uniqueItems": true,
        "items": ["type": "string"],
        "description": "two strategy labels: a contrast that the experiment is about",
      ]),
      "warmups": [
        "type": "integer", "minimum": 0, "maximum": 1000, "default": 1,
        "description": "timed runs that don't count",
      ],
      "repeats": [
        "type": "integer", "minimum": 1, "maximum": 1000, "default": 8,
        "description": "timed runs that count",
      ],
      "seed": ["type": "integer", "default": 0],
      "threads": [
        "type": "integer", "minimum": 1, "maximum": 1024,
        "description": "by default the machine's cores",
      ],
    ]
  }

  private static let contextLength: JSONValue = ["type": "integer", "minimum": 2]

  /// Of a model or a task. That they are among the experiment's is beyond a schema.
  private static var ownContextLengths: JSONValue {
    var members = list(of: contextLength).objectValue ?? [:]
    members["description"] = "those of the experiment's contextLengths that it has cells of"
    return .object(members)
  }

  private static var cache: JSONValue {
    var members = axis(of: schema(of: CacheFormat.parameterKind)).objectValue ?? [:]
    let parameter = CacheAxis.parameter(default: .f16)
    members["description"] = .string(parameter.summary)
    members["default"] = parameter.defaultValue
    return .object(members)
  }

  private static var model: JSONValue {
    [
      "anyOf": [
        ["type": "string", "description": "a model of the catalogue: tca-lab models list"],
        [
          "type": "object", "required": ["name"], "additionalProperties": false,
          "properties": [
            "name": ["type": "string", "minLength": 1, "maxLength": 100],
            "path": [
              "type": "string", "minLength": 1,
              "description": "a GGUF file, relative to the spec file, or a model of the catalogue",
            ],
            "ropeScaling": ["oneOf": .array(RotaryScaling.Kind.allCases.map(ropeScaling))],
            "synthetic": synthetic,
            "contextLengths": ["$ref": "#/$defs/contextLengths"],
          ],
          "not": [
            "required": ["synthetic"],
            "anyOf": [["required": ["path"]], ["required": ["ropeScaling"]]],
          ],
        ],
      ]
    ]
  }

  private static func ropeScaling(_ type: RotaryScaling.Kind) -> JSONValue {
    let parameters = RotaryScaling.parameters(of: type)
    var properties: [String: JSONValue] = ["type": ["const": .string(type.rawValue)]]
    for parameter in parameters {
      var members = schema(of: parameter.kind).objectValue ?? [:]
      members["description"] = .string(parameter.summary)
      if !parameter.defaultValue.isNull { members["default"] = parameter.defaultValue }
      properties[parameter.name] = .object(members)
    }
    return [
      "type": "object",
      "required": .array(
        (["type"] + parameters.filter(\.isRequired).map(\.name)).map { .string($0) }),
      "additionalProperties": false, "properties": .object(properties),
    ]
  }

  private static var synthetic: JSONValue {
    var properties: [String: JSONValue] = [:]
    for size in SyntheticGeometry.sizes {
      var members = schema(of: size.kind).objectValue ?? [:]
      members["default"] = size.defaultValue.map { .integer($0) }
      properties[size.name] = .object(members)
    }
    var pattern: [String: JSONValue] = [:]
    for parameter in SyntheticPattern.parameters {
      var members = schema(of: parameter.kind).objectValue ?? [:]
      members["default"] = parameter.defaultValue
      members["description"] = .string(parameter.summary)
      pattern[parameter.name] = .object(members)
    }
    properties["pattern"] = [
      "type": "object", "additionalProperties": false, "properties": .object(pattern),
    ]
    return [
      "type": "object",
      "description": "attention inputs that stand for a model, for the task attention",
      "required": .array(
        SyntheticGeometry.sizes.filter { $0.defaultValue == nil }.map { .string($0.name) }),
      "additionalProperties": false, "properties": .object(properties),
    ]
  }

  // MARK: Strategies and tasks

  private static func definition(of strategy: StrategyDescription) -> String {
    "strategy-\(strategy.name)"
  }

  private static func oneOf(_ strategies: [StrategyDescription]) -> JSONValue {
    ["oneOf": .array(strategies.map { ["$ref": .string("#/$defs/\(definition(of: $0))")] })]
  }

  /// - Parameter known: the strategies that can be parts.
  private static func strategy(
    _ description: StrategyDescription, _ known: [StrategyDescription]
  ) -> JSONValue {
    var schema = entry(
      description.name, description.summary, parameters: description.parameters, parts: known)
    if description.hasParts {
      schema["anyOf"] = .array(
        description.parameters.filter { $0.partPhase != nil }
          .map { ["required": [.string($0.name)]] })
    }
    var properties = schema["properties"]?.objectValue ?? [:]
    properties[CacheAxis.name] = ["$ref": "#/$defs/cache"]
    schema["properties"] = .object(properties)
    guard !description.budgets.isEmpty else { return .object(schema) }
    let forms = JSONValue.array(
      description.budgets.map { ["$ref": .string("#/$defs/\($0.rawValue)")] })
    properties["budget"] = ["anyOf": [["anyOf": forms], list(of: ["anyOf": forms])]]
    schema["properties"] = .object(properties)
    let sizes = description.parameters.filter(\.isReplacedByBudget)
    if !sizes.isEmpty {
      schema["not"] = [
        "required": ["budget"],
        "anyOf": .array(sizes.map { ["required": [.string($0.name)]] }),
      ]
    }
    return .object(schema)
  }

  private static func task(_ description: TaskDescription) -> JSONValue {
    var schema = entry(
      description.name, description.summary, parameters: description.parameters)
    var properties = schema["properties"]?.objectValue ?? [:]
    properties["contextLengths"] = ["$ref": "#/$defs/contextLengths"]
    schema["properties"] = .object(properties)
    return .object(schema)
  }

  private static func entry(
    _ name: String, _ summary: String, parameters: [ParameterDescription],
    parts: [StrategyDescription] = []
  ) -> [String: JSONValue] {
    var properties: [String: JSONValue] = ["name": ["const": .string(name)]]
    for parameter in parameters {
      properties[parameter.name] = self.parameter(parameter, parts: parts)
    }
    return [
      "type": "object", "description": .string(summary),
      "required": .array(
        (["name"] + parameters.filter(\.isRequired).map(\.name)).map { .string($0) }),
      "additionalProperties": false, "properties": .object(properties),
    ]
  }

  private static func parameter(
    _ parameter: ParameterDescription, parts: [StrategyDescription]
  ) -> JSONValue {
    let value = schema(of: parameter.kind, parts: parts)
    let isAxis =
      !parameter.kind.isList && !CellIdentity.timingParameters.contains(parameter.name)
    var choices = [value]
    if parameter.defaultValue.isNull, !parameter.isRequired { choices.append(["type": "null"]) }
    if isAxis { choices.append(list(of: value)) }
    var members: [String: JSONValue] =
      choices.count == 1 ? value.objectValue ?? [:] : ["anyOf": .array(choices)]
    members["description"] = .string(parameter.summary)
    if !parameter.defaultValue.isNull { members["default"] = parameter.defaultValue }
    return .object(members)
  }

  private static func schema(
    of kind: ParameterKind, parts: [StrategyDescription] = []
  ) -> JSONValue {
    var members: [String: JSONValue] = [:]
    switch kind {
    case .integer(let minimum, let maximum):
      members["type"] = "integer"
      members["minimum"] = minimum.map { .integer($0) }
      members["maximum"] = maximum.map { .integer($0) }
    case .number(let minimum, let maximum):
      members["type"] = "number"
      members["minimum"] = minimum.map { .number($0) }
      members["maximum"] = maximum.map { .number($0) }
    case .boolean: members["type"] = "boolean"
    case .string: members["type"] = "string"
    case .choice(let words): members["enum"] = .array(words.map { .string($0) })
    case .choices(let parts, let words):
      let word = schema(of: .choice(words))
      members["anyOf"] = [
        word,
        [
          "type": "object", "required": .array(parts.map { .string($0) }),
          "additionalProperties": false,
          "properties": .object(Dictionary(uniqueKeysWithValues: parts.map { ($0, word) })),
        ],
      ]
    case .list(let element):
      members = ["type": "array", "minItems": 1, "items": schema(of: element)]
    case .strategy(let phase): return oneOf(parts.filter { $0.fits(phase) })
    }
    return .object(members)
  }

  private static func list(of element: JSONValue) -> JSONValue {
    ["type": "array", "minItems": 1, "uniqueItems": true, "items": element]
  }

  // MARK: Budgets

  private static var budgets: [(String, JSONValue)] {
    let share: JSONValue = ["type": "number", "exclusiveMinimum": 0, "maximum": 1]
    let count: JSONValue = ["type": "integer", "minimum": 1]
    return [
      ("fraction", budget("fraction", share, "of the prompt's tokens, per KV head")),
      ("tokens", budget("tokens", count, "per KV head")),
      ("bytes", budget("bytes", count, "of the whole model's KV cache")),
      (
        "meanKvBytes",
        budget(
          "meanKvBytes", share,
          "of what full attention holds in float16 on average over decode steps")
      ),
      ("density", budget("density", share, "attended over causal pairs")),
      ("mass", budget("mass", share, "attention mass that the selection keeps")),
      (
        "matching",
        budget(
          "matching", ["type": "string"],
          "the measured use of another strategy of this spec, by its name, or of a variant of it, by its label",
          use: ["enum": .array(StatedBudget.MatchedUse.allCases.map { .string($0.rawValue) })])
      ),
    ]
  }

  private static func budget(
    _ form: String, _ size: JSONValue, _ summary: String, use: JSONValue? = nil
  ) -> JSONValue {
    var properties = [form: axis(of: size)]
    if let use { properties["of"] = axis(of: use) }
    return [
      "type": "object", "description": .string(summary), "required": [.string(form)],
      "additionalProperties": false, "properties": .object(properties),
    ]
  }

  private static func axis(of value: JSONValue) -> JSONValue {
    ["anyOf": [value, list(of: value)]]
  }
}
