import ArgumentParser
import Experiments

extension MemoryLimit {
  /// A size on the command line: bytes, or a number with a unit. The parser says option and value before what this throws.
  init(argument: String) throws {
    let word = argument.lowercased().filter { $0 != " " }
    let unit = String(word.drop { $0.isNumber || $0 == "." })
    guard let factor = Self.units[unit], let number = Double(word.dropLast(unit.count)),
      number > 0, number * factor < 1e18
    else {
      throw ValidationError(
        "allowed is a number above 0 with a unit, such as 8GB, 1.5TB or 500MiB"
      )
    }
    let bytes = Int(number * factor)
    guard bytes >= Self.leastBytes else {
      let digits = word.dropLast(unit.count)
      throw ValidationError(
        "that is \(Self.text(bytes)), and no model runs in less than \(Self.text(Self.leastBytes)): did you mean \"\(digits)\(number < 100 ? "GB" : "MB")\"?"
      )
    }
    self.init(bytes: bytes, source: "that --memory-limit allows")
  }

  /// Less than the smallest model takes: a unit has been forgotten.
  private static let leastBytes = 16_000_000

  private static let units: [String: Double] = [
    "": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12,
    "tb": 1e12, "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
  ]
}
