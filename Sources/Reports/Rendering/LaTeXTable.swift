import JSON

/// A table as booktabs prints it: what all rows share stands in the caption, and what is too wide for a page goes on in a
/// second part. One that fits a page is a table environment to copy from, a longer one a longtable.
struct LaTeXTable {
  /// Without columns that say the same in every row.
  private let columns: [ReportTable.Column]
  private let rows: [[ReportCell]]
  /// `model smollm2-135m, context 2,048`
  private let shared: String

  /// Characters of small print on a landscape page, the space between columns included.
  private static let pageWidth = 165
  /// Words beyond it are broken.
  private static let widestWords = 40
  private static let columnSpace = 2
  /// Lines that fit a page with caption and heading.
  private static let pageLines = 30

  init(_ table: ReportTable) {
    let isShared = table.columns.indices.map { place in
      table.rows.count > 1
        && (table.columns[place].kind != .numbers || table.columns[place].name == "context")
        && Set(table.rows.map { $0[place] }).count == 1
    }
    func kept<Element>(_ elements: [Element]) -> [Element] {
      elements.indices.filter { !isShared[$0] }.map { elements[$0] }
    }
    columns = kept(table.columns)
    rows = table.rows.map(kept)
    shared = table.columns.indices.filter { isShared[$0] }.compactMap { place in
      let text = table.rows[0][place].plainText
      return text.isEmpty ? nil : "\(table.columns[place].name.onOneLine) \(text)"
    }.joined(separator: ", ")
  }

  /// One table for each part.
  ///
  /// - Parameter label: without `tab:`; parts after the first have a letter behind it.
  func text(title: String, label: String) -> String {
    let parts = parts
    return parts.enumerated().map { index, places in
      let part = parts.count > 1 ? ", part \(index + 1) of \(parts.count)" : ""
      let caption = (shared.isEmpty ? title : "\(title): \(shared)") + part + "."
      let letter = index == 0 ? "" : "-\(index + 1)"
      return table(places, caption: caption, label: "tab:\(label)\(letter)")
    }.joined(separator: "\n")
  }

  // MARK: Width

  /// Columns that fit a page together; the words before the first number stand in each part.
  private var parts: [[Int]] {
    let names = columns.prefix { $0.kind != .numbers || $0.name == "context" }.count
    let widths = columns.indices.map { width($0) + Self.columnSpace }
    let nameWidth = widths.prefix(names).reduce(0, +)
    var parts: [[Int]] = [[]]
    var room = Self.pageWidth - nameWidth
    for place in columns.indices.dropFirst(names) {
      if widths[place] > room, !parts[parts.count - 1].isEmpty {
        parts.append([])
        room = Self.pageWidth - nameWidth
      }
      parts[parts.count - 1].append(place)
      room -= widths[place]
    }
    return parts.map { Array(0..<names) + $0 }
  }

  private func cellWidth(_ place: Int) -> Int {
    rows.reduce(1) { max($0, $1[place].plainText.onOneLine.count) }
  }

  private func isBroken(_ place: Int) -> Bool {
    columns[place].kind != .numbers && cellWidth(place) > Self.widestWords
  }

  private func width(_ place: Int) -> Int {
    let words = headingLines(place).map(\.count).max() ?? 0
    return max(min(cellWidth(place), isBroken(place) ? Self.widestWords : .max), words)
  }

  /// Of all rows, where words are broken.
  private func lineCount(_ places: [Int]) -> Int {
    let broken = places.filter(isBroken)
    return rows.reduce(0) { lines, row in
      let longest = broken.map { row[$0].plainText.onOneLine.count }.max() ?? 0
      return lines + 1 + longest / Self.widestWords
    }
  }

  /// A heading goes over several lines where it is wider than what stands below it.
  private func headingLines(_ place: Int) -> [String] {
    let limit = max(10, cellWidth(place))
    return columns[place].heading.onOneLine.split(separator: " ").reduce(into: []) { lines, word in
      if let last = lines.last, last.count + 1 + word.count <= limit {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
  }

  // MARK: Text

  private func table(_ places: [Int], caption: String, label: String) -> String {
    let specification = places.map { place in
      if isBroken(place) { return #">{\raggedright\arraybackslash}p{58mm}"# }
      return columns[place].kind == .numbers ? "r" : "l"
    }.joined()
    let title = #"\caption{\#(LaTeXText.line(caption))}\label{\#(label)}"#
    let head = [#"\toprule"#, places.map(heading).joined(separator: " & ") + #" \\"#, #"\midrule"#]
    let body = rows.map { row in
      places.enumerated().map { index, place in
        cell(row[place], isFirst: index == 0)
      }.joined(separator: " & ") + #" \\"#
    }
    let lines =
      lineCount(places) <= Self.pageLines
      ? [
        #"\begin{table}[H]"#, #"\centering\footnotesize"#, title,
        #"\begin{tabular}{@{}\#(specification)@{}}"#,
      ] + head + body + [#"\bottomrule"#, #"\end{tabular}"#, #"\end{table}"#]
      : [
        #"{\footnotesize"#, #"\begin{longtable}{@{}\#(specification)@{}}"#, title + #"\\"#,
      ] + head + [#"\endfirsthead"#] + head + [#"\endhead"#, #"\bottomrule"#, #"\endfoot"#] + body
        + [#"\end{longtable}"#, "}"]
    return lines.map { $0 + "\n" }.joined()
  }

  private func heading(_ place: Int) -> String {
    let lines = headingLines(place).map(LaTeXText.start)
    guard lines.count > 1 else { return lines.first ?? "" }
    let side = columns[place].kind == .numbers ? "r" : "l"
    return #"\begin{tabular}[b]{@{}\#(side)@{}}"# + lines.joined(separator: #"\\"#)
      + #"\end{tabular}"#
  }

  /// Numbers with the minus sign of print.
  private func cell(_ cell: ReportCell, isFirst: Bool) -> String {
    let text =
      switch cell.content {
      case .number, .interval: cell.plainText.replacingScalars { $0 == "-" ? "−" : nil }
      case .text, .missing: cell.plainText
      }
    return isFirst ? LaTeXText.start(text) : LaTeXText.line(text)
  }
}
