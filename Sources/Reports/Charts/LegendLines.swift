/// How the entries of a legend are spread over lines.
enum LegendLines {
  /// The numbers of entries of these widths, line by line.
  static func of(_ widths: [Double], within room: Double) -> [[Int]] {
    var lines: [[Int]] = []
    var used = Double.infinity
    for (index, width) in widths.enumerated() {
      if used + width > room {
        lines.append([])
        used = 0
      }
      lines[lines.count - 1].append(index)
      used += width
    }
    return lines
  }
}
