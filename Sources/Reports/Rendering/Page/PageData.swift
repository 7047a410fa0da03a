import JSON

/// The report's CSV files inside a page, as many as there is room for.
struct PageData {
  struct File {
    let fileName: String
    let fileSize: String
    /// The text as a JSON string that no HTML ends.
    let fileText: String
  }

  /// A file that is too large.
  struct Rest {
    let restName: String
    let restRows: String
  }

  /// What a value with its comma takes at least, on average: a table that cannot fit is not written out to see that.
  private static let leastValueBytes = 4

  private(set) var included: [File] = []
  private(set) var excluded: [Rest] = []

  /// - Parameter room: bytes; a file that is too large for what is left of them is only named.
  init(_ report: Report, room: Int) {
    var room = room
    for table in report.data {
      let count = table.rows.count
      let rest = Rest(
        restName: "\(table.name).csv",
        restRows: NumberFormat.counted(count, "row"))
      guard Self.leastValueBytes * count * table.columns.count <= room,
        let file = CSVRenderer().files(of: Report(title: "", data: [table])).first
      else {
        excluded.append(rest)
        continue
      }
      let text = Self.inScript(file.text)
      if text.utf8.count <= room {
        room -= text.utf8.count
        included.append(
          File(fileName: file.name, fileSize: Self.size(file.text.utf8.count), fileText: text))
      } else {
        excluded.append(rest)
      }
    }
  }

  /// JSON that means the same in a `script` element: without `<`, nothing in it can end the element.
  static func inScript(_ text: String) -> String {
    let json = JSONValue.string(text).canonicalText
    guard json.utf8.contains(UInt8(ascii: "<")) else { return json }
    return json.replacingScalars { $0 == "<" ? "\\u003c" : nil }
  }

  /// `812 B`, `3.4 kB`, `12.0 MB`
  private static func size(_ bytes: Int) -> String {
    let one = NumberFormat.fixed(1)
    return switch bytes {
    case ..<1000: "\(bytes) B"
    case ..<1_000_000: "\(one.text(Double(bytes) / 1000)) kB"
    default: "\(one.text(Double(bytes) / 1_000_000)) MB"
    }
  }
}
