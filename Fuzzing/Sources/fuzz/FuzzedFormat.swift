import Records

/// A format that comes from outside, and the code that reads it.
protocol FuzzedFormat {
  /// A small valid input, another one for each state of the generator.
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8]

  /// An input near this one that keeps the format's structure; nil where this one has none to keep.
  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]?

  /// Does with the input all that the program does with a file of that kind. Errors are right
  /// answers; a trap, a hang, or memory beyond what the input can justify is a find.
  static func read(_ bytes: [UInt8])
}

extension FuzzedFormat {
  /// A describable error is what bad input has to give; its text is made here, since that code reads
  /// the input too.
  static func expectingErrors(_ body: () throws -> Void) {
    do { try body() } catch { precondition(!"\(error)".isEmpty) }
  }
}

let formats: [String: any FuzzedFormat.Type] = [
  "gguf": GGUFFormat.self, "safetensors": SafetensorsFormat.self,
  "tokenizer": TokenizerFormat.self, "spec": SpecFormat.self, "jsonlines": JSONLinesFormat.self,
  "database": DatabaseFormat.self,
]
