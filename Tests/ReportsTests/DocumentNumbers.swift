import Foundation
import LabTestSupport

/// Holds the numbers of a page against the data that is committed.
///
/// A number of prose says where it is from in the title of a link:
///
///     [+0.0364 [+0.0324, +0.0405]](../results/x/pooled_difference.csv "difference, difference_low, difference_high
///     where strategy=tca")
///
/// A table says it in a comment before it, for its rows and column by column; a number in a link speaks for itself:
///
///     <!-- table ../results/x/quality_difference.csv where protocol=continuation
///     row: strategy, "MInference" is minference, "SnapKV" is snapkv
///     1,024: difference, difference_low, difference_high where context_length=1024
///     MiB: kv_cache_resident_bytes / 1048576
///     -->
///
/// A row is named by the first `code` of its first cell, or by what the comment says that the cell is. "row: strategy" means
/// `strategy={row}`; with "row: -" columns say it themselves: `20 %: difference where strategy={row} fraction=0.2`. Columns that are
/// not named hold no data. A cell's numbers are compared in order, each rounded to the digits that are written. Of a table that no
/// committed data stands behind a comment says why: `<!-- not compared: … -->`.
struct DocumentNumbers {
  let text: String
  /// What paths are relative to.
  let folder: URL

  /// How many numbers agreed, and what is wrong with the others.
  struct Outcome {
    var agreed = 0
    var problems: [String] = []
  }

  func check() -> Outcome {
    var outcome = Outcome()
    checkLinks(&outcome)
    checkTables(&outcome)
    return outcome
  }

  // MARK: Links

  private func checkLinks(_ outcome: inout Outcome) {
    let pattern = /\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(([^()\s]+)\.csv(?:\.gz)?\s+"([^"]+)"\)/
    for match in text.matches(of: pattern.matchingSemantics(.unicodeScalar)) {
      let (shown, path, title) = (
        String(match.output.1), String(match.output.2), String(match.output.3)
      )
      do {
        let source = try DataSource(title)
        let line = try source.only(in: try lines(path))
        try compare(shown, source.columns, line, &outcome)
      } catch {
        outcome.problems.append("\"\(shown)\" (\(path).csv, \(title)): \(error)")
      }
    }
  }

  // MARK: Tables

  private func checkTables(_ outcome: inout Outcome) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for (index, line) in lines.enumerated()
    where line.hasPrefix("|") && index > 0 && !lines[index - 1].hasPrefix("|") {
      let rows = lines[index...].prefix { $0.hasPrefix("|") }.map(Self.cells)
      let hasNumbers = rows.dropFirst(2).joined().contains { !Self.numbers($0).isEmpty }
      guard hasNumbers else { continue }
      let before = lines[..<index].joined(separator: "\n")
      let comment = before.hasSuffix("-->") ? before.components(separatedBy: "<!--").last : nil
      let words = comment.map {
        String($0.dropLast(3)).trimmingCharacters(in: .whitespacesAndNewlines)
      }
      if let words, words.hasPrefix("not compared: "), words.count > 20 { continue }
      guard let words, words.hasPrefix("table ") else {
        outcome.problems.append(
          "line \(index + 1): the table \"\(line.prefix(60))\" does not say where its numbers are from"
        )
        continue
      }
      do {
        try check(rows, TableSource(String(words.dropFirst(6))), &outcome)
      } catch {
        outcome.problems.append("line \(index + 1): \(error)")
      }
    }
  }

  private func check(
    _ rows: [[String]], _ source: TableSource, _ outcome: inout Outcome
  ) throws {
    let data = try source.data.matching(try lines(source.path))
    let headings = rows[0]
    for heading in source.headings.map(\.heading) where !headings.contains(heading) {
      throw Problem("there is no column \"\(heading)\"")
    }
    for row in rows.dropFirst(2) {
      let name = source.names[row[0]] ?? Self.firstCode(row[0]) ?? row[0]
      let own = source.rowColumn.isEmpty ? data : data.filter { $0[source.rowColumn] == name }
      for (heading, cell) in source.headings {
        guard let place = headings.firstIndex(of: heading), row.indices.contains(place) else {
          continue
        }
        // A number in a link is checked there; an empty cell claims nothing.
        let shown = row[place]
        if shown.contains("](") || Self.numbers(shown).isEmpty { continue }
        do {
          try compare(shown, cell.columns, try cell.named(name).only(in: own), &outcome)
        } catch {
          outcome.problems.append("\"\(row[0])\", \"\(heading)\", \"\(shown)\": \(error)")
        }
      }
    }
  }

  private static func cells(_ line: String) -> [String] {
    line.trimmingCharacters(in: CharacterSet(charactersIn: "| "))
      .isEmpty
      ? []
      : line.dropFirst().dropLast(line.hasSuffix("|") ? 1 : 0)
        .split(separator: "|", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func firstCode(_ cell: String) -> String? {
    let parts = cell.components(separatedBy: "`")
    return parts.count > 2 ? parts[1] : nil
  }

  // MARK: Numbers

  private func lines(_ path: String) throws -> [[String: String]] {
    let bare = path.hasSuffix(".csv") ? String(path.dropLast(4)) : path
    let file = folder.appendingPathComponent(bare)
    guard
      let lines = try CSVLines.read(file.lastPathComponent, in: file.deletingLastPathComponent())
    else { throw Problem("there is no file \(bare).csv") }
    return lines
  }

  private func compare(
    _ shown: String, _ columns: [DataSource.Column], _ line: [String: String],
    _ outcome: inout Outcome
  ) throws {
    let written = Self.numbers(shown)
    for (place, column) in columns.enumerated() {
      guard let text = line[column.name] else { throw Problem("there is no column \(column.name)") }
      guard let value = Double(text).map({ $0 * column.factor }) else {
        if written.count > place { throw Problem("\(column.name) is empty") }
        continue
      }
      guard written.count > place else { throw Problem("\(column.name) is not written") }
      let number = written[place]
      // Half of the last digit; a little more for the data's own rounding.
      guard abs(number.value - value) <= 0.5 * number.lastDigit * (1 + 1e-6) else {
        throw Problem("written \(number.value), in the data \(column.name) is \(value)")
      }
      outcome.agreed += 1
    }
  }

  struct Number {
    var value: Double
    /// What one more of its last digit adds.
    var lastDigit: Double
  }

  /// Outside of code; with either minus, and with commas between thousands.
  static func numbers(_ text: String) -> [Number] {
    let bare = text.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 0 }
      .map(\.element).joined(separator: " ").replacing("−", with: "-")
    let pattern = /[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?/
    return bare.matches(of: pattern.matchingSemantics(.unicodeScalar)).compactMap { match in
      Double(match.output.0.replacing(",", with: "").replacing("+", with: "")).map {
        Number(value: $0, lastDigit: pow(10, -Double(match.output.1?.count ?? 0)))
      }
    }
  }

  struct Problem: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
  }
}

/// `difference, kv_cache_resident_bytes / 1048576 where strategy=tca and context_length=2048`
struct DataSource {
  struct Column {
    var name: String
    var factor = 1.0
  }

  var columns: [Column]
  private var conditions: [(column: String, value: String)]

  init(_ text: String) throws {
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    let parts = (" " + words).components(separatedBy: " where ")
    guard parts.count <= 2 else { throw DocumentNumbers.Problem("there are two \"where\"") }
    columns = try parts[0].split(separator: ",").filter { $0 != " " }.map { word in
      let terms = word.split(whereSeparator: \.isWhitespace).map(String.init)
      switch terms.count {
      case 1: return Column(name: terms[0])
      case 3:
        guard ["*", "/"].contains(terms[1]), let factor = Double(terms[2]) else { fallthrough }
        return Column(name: terms[0], factor: terms[1] == "*" ? factor : 1 / factor)
      default: throw DocumentNumbers.Problem("\"\(word)\" is no column, column * 2 or column / 2")
      }
    }
    conditions = try (parts.count == 2 ? parts[1] : "").components(separatedBy: " and ")
      .filter { !$0.isEmpty }.map { condition in
        let sides = condition.split(separator: "=", maxSplits: 1).map(String.init)
        guard sides.count == 2 else {
          throw DocumentNumbers.Problem("\"\(condition)\" is no column=value")
        }
        return (sides[0], sides[1])
      }
  }

  /// With a row's name for `{row}`.
  func named(_ row: String) -> DataSource {
    var source = self
    for index in conditions.indices {
      source.conditions[index].value.replace("{row}", with: row)
    }
    return source
  }

  func matching(_ lines: [[String: String]]) throws -> [[String: String]] {
    for (column, _) in conditions where lines.first.map({ $0[column] == nil }) ?? false {
      throw DocumentNumbers.Problem("there is no column \(column)")
    }
    return lines.filter { line in conditions.allSatisfy { line[$0.column] == $0.value } }
  }

  func only(in lines: [[String: String]]) throws -> [String: String] {
    let found = try matching(lines)
    guard found.count == 1 else {
      throw DocumentNumbers.Problem("\(found.count) lines of the data are meant, not one")
    }
    return found[0]
  }
}

/// The comment before a table.
struct TableSource {
  var path: String
  var data: DataSource
  var rowColumn = ""
  /// What cells that name no row in `code` stand for.
  var names: [String: String] = [:]
  var headings: [(heading: String, cell: DataSource)] = []

  init(_ text: String) throws {
    let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let head = lines[0].split(separator: " ", maxSplits: 1).map(String.init)
    path = head[0]
    data = try DataSource(head.count > 1 ? head[1] : "")
    for line in lines.dropFirst() {
      guard let colon = line.range(of: ": ") else {
        throw DocumentNumbers.Problem("\"\(line)\" is no HEADING: COLUMNS")
      }
      let (name, rest) = (String(line[..<colon.lowerBound]), String(line[colon.upperBound...]))
      if name == "row" {
        let parts = rest.components(separatedBy: ", \"")
        rowColumn = parts[0] == "-" ? "" : parts[0]
        for alias in parts.dropFirst() {
          let sides = alias.components(separatedBy: "\" is ")
          guard sides.count == 2 else {
            throw DocumentNumbers.Problem("\"\(alias) is no \"CELL\" is VALUE")
          }
          names[sides[0]] = sides[1]
        }
      } else {
        headings.append((name, try DataSource(rest)))
      }
    }
  }
}
