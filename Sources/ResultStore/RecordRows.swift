import Foundation
import GRDB
import JSON
import Records

/// A record whose properties are columns: `queryHead` is `query_head`.
protocol ColumnRecord: Codable, FetchableRecord, EncodableRecord {}

extension ColumnRecord {
  public static var databaseColumnDecodingStrategy: DatabaseColumnDecodingStrategy {
    .convertFromSnakeCase
  }
  public static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy {
    .convertToSnakeCase
  }

  /// The columns, the texts of enumerations and JSON among them.
  func columns() throws -> [String: DatabaseValue] { try databaseDictionary }
}

extension CalibrationRecord: ColumnRecord {}
extension CellRecord: ColumnRecord {}
extension HeadMeasurement: ColumnRecord {}
extension KeptTokens: ColumnRecord {}
extension Records.Measurement: ColumnRecord {}
extension Provenance: ColumnRecord {}
extension ScoredUnit: ColumnRecord {}
extension TimingSample: ColumnRecord {}

extension ErrorSetting: DatabaseValueConvertible {}
extension MeasuredPhase: DatabaseValueConvertible {}
extension MatchStatus: DatabaseValueConvertible {}
extension ResultKind: DatabaseValueConvertible {}
extension RunEnding: DatabaseValueConvertible {}
extension StrategyRole: DatabaseValueConvertible {}

/// Canonical text, so that equal values are equal texts.
extension JSONValue: DatabaseValueConvertible {
  public var databaseValue: DatabaseValue { canonicalText.databaseValue }

  public static func fromDatabaseValue(_ value: DatabaseValue) -> JSONValue? {
    String.fromDatabaseValue(value).flatMap { try? JSONValue(parsing: $0) }
  }
}

extension Database {
  /// Adds a row.
  ///
  /// - Throws: ``InvalidFigure`` for NaN, which SQLite would store as null, "does not exist".
  func insert(_ values: [String: DatabaseValue], into table: String) throws {
    let columns = values.keys.sorted()
    var arguments: [DatabaseValue] = []
    var places: [String] = []
    for column in columns {
      let value = values[column] ?? .null
      switch value.storage {
      case .double(let number) where number.isNaN:
        throw InvalidFigure(column: column, table: table, values: values)
      case .string(let text):
        let stored = WholeText(text).databaseValue
        arguments.append(stored)
        places.append(stored == value ? "?" : "CAST(? AS TEXT)")
      default:
        arguments.append(value)
        places.append("?")
      }
    }
    let insertion = try cachedStatement(
      sql: """
        INSERT INTO \(table) (\(columns.joined(separator: ", ")))
        VALUES (\(places.joined(separator: ", ")))
        """)
    try insertion.execute(arguments: StatementArguments(arguments))
  }
}

/// A text with the NULs that may be in it: bound and read as text it would end at the first one. A blob is bound in
/// its place where there is one, and `CAST(? AS TEXT)` makes a text of it again; reading goes by `CAST(… AS BLOB)`.
struct WholeText: DatabaseValueConvertible {
  let text: String

  init(_ text: String) { self.text = text }

  var databaseValue: DatabaseValue {
    text.utf8.contains(0) ? Data(text.utf8).databaseValue : text.databaseValue
  }

  static func fromDatabaseValue(_ value: DatabaseValue) -> WholeText? {
    switch value.storage {
    case .blob(let bytes): WholeText(String(decoding: bytes, as: UTF8.self))
    case .string(let text): WholeText(text)
    default: nil
    }
  }
}

/// A figure that was computed wrongly: one that does not exist has no value.
struct InvalidFigure: Error, CustomStringConvertible {
  var column: String
  var table: String
  var values: [String: DatabaseValue]

  var description: String {
    let places = ["setting", "phase", "layer", "query_head", "number", "repetition", "name"]
    let place = places.compactMap { name in
      values[name].flatMap { value in value.isNull ? nil : "\(name) \(value)" }
    }
    return (["\(column) in \(table)"] + place).joined(separator: ", ")
  }
}

extension Row {
  func value<Value: DatabaseValueConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(Value.self, forColumn: column)
  }
}

extension PlannedCell {
  /// From a row of `cell` with the plan's columns beside it; `model` is the plan's name for the model.
  init(row: Row) throws {
    self.init(
      cell: try CellRecord(row: row), label: try row.value("label"),
      taskLabel: try row.value("task_label", as: String?.self),
      fullIdentity: try row.value("full_identity"),
      matchedIdentity: try row.value("matched_identity", as: String?.self))
  }
}

extension StoredRun {
  /// Runs of whose rows the condition is true, oldest first.
  static func all(
    in database: Database, where condition: String = "true", arguments: StatementArguments = [:]
  ) throws -> [StoredRun] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT run.*, experiment.name AS experiment
        FROM run JOIN experiment ON experiment.id = run.experiment_id
        WHERE \(condition) ORDER BY run.started_at, run.identity
        """, arguments: arguments
    ).map { row in
      StoredRun(
        id: try row.value("id"), identity: try row.value("identity"),
        machine: try row.value("machine"), experiment: try row.value("experiment"),
        startedAt: try row.value("started_at"),
        endedAt: try row.value("ended_at", as: String?.self),
        ending: try row.value("ending", as: RunEnding?.self), provenance: try Provenance(row: row))
    }
  }
}
