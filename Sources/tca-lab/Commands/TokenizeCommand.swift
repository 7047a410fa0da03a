import ArgumentParser

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Turns a text into token ids.",
    discussion: #"Example: tca-lab tokenize --model smollm2-135m-instruct --text "In 1815" --json"#)

  @OptionGroup var model: ModelOptions
  @Option(help: "The text.") var text: String?
  @Option(help: "A UTF-8 file, read byte for byte.", completion: .file()) var textFile: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let text = try TextInput(text: text, file: textFile, names: ("--text", "--text-file")).read()
    let ids = try model.tokenizer().encode(text)
    if json {
      try Output.json(["ids": .array(ids.map { .integer(Int($0)) })])
    } else {
      try Output.text(ids.map(String.init).joined(separator: " "))
    }
  }
}
