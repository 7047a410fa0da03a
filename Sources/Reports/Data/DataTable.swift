/// A table for programs: exact values, one name a column, one observation a row.
public struct DataTable: Sendable, Hashable {
  public enum Value: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case number(Double)
    case missing
  }

  /// A word that can be a file's name.
  public let name: String
  public let columns: [String]
  public let rows: [[Value]]

  /// A row for each subject.
  init<Subject>(_ name: String, _ subjects: [Subject], _ columns: [DataColumn<Subject>]) {
    self.name = name
    self.columns = columns.map(\.name)
    rows = subjects.map { subject in columns.map { $0.value(subject) } }
  }
}

/// A column and what its values are, by the subject of their row.
struct DataColumn<Subject> {
  let name: String
  let value: (Subject) -> DataTable.Value

  init(_ name: String, _ value: @escaping (Subject) -> some DataValue) {
    self.name = name
    self.value = { value($0).dataValue }
  }

  /// The same of a part of another subject.
  func of<Whole>(_ part: @escaping (Whole) -> Subject) -> DataColumn<Whole> {
    DataColumn<Whole>(name) { value(part($0)) }
  }
}

/// What a data table can hold.
protocol DataValue {
  var dataValue: DataTable.Value { get }
}

extension DataTable.Value: DataValue { var dataValue: DataTable.Value { self } }
extension String: DataValue { var dataValue: DataTable.Value { .text(self) } }
extension Int: DataValue { var dataValue: DataTable.Value { .integer(self) } }
extension Double: DataValue { var dataValue: DataTable.Value { .number(self) } }
extension Bool: DataValue { var dataValue: DataTable.Value { .integer(self ? 1 : 0) } }
extension Optional: DataValue where Wrapped: DataValue {
  var dataValue: DataTable.Value { self?.dataValue ?? .missing }
}
