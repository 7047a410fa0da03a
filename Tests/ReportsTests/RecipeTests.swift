import Records
import Testing

@testable import Reports

@Suite("How to run it again")
struct RecipeTests {
  private func commands(
    source: String = "0123456789ab", name: String = "example", spec: String = "{}",
    database: String = "results/tca-lab.sqlite"
  ) throws -> [String] {
    var results = ExampleResults.experiment(contexts: [512])
    results.runs[0].provenance.sourceState = source
    results.experiment.name = name
    results.experiment.spec = spec
    return try #require(Report(of: results, database: database).recipe).commands
  }

  @Test("The commit, the build, the model, the run and the page")
  func commands() throws {
    #expect(
      try commands(spec: #"{"models": ["smollm2-135m"]}"#) == [
        "git checkout 0123456789ab", "swift build -c release --product tca-lab",
        ".build/release/tca-lab models pull smollm2-135m",
        "# save the spec above as example.json in this folder; relative paths in it start there",
        "# plan says how long it takes on this machine, and what memory",
        ".build/release/tca-lab plan example.json --db tca-lab.sqlite",
        ".build/release/tca-lab run example.json --db tca-lab.sqlite",
        ".build/release/tca-lab report example --db tca-lab.sqlite --format html",
      ])
  }

  @Test("The file to save the spec in is named, the database by its own name, both for a shell")
  func elsewhere() throws {
    var results = ExampleResults.experiment(contexts: [512])
    results.experiment.name = "own Ünï 'q\" x"
    let recipe = try #require(
      Report(of: results, database: "/home/a b/d b\"1.sqlite").recipe)
    #expect(recipe.specName == "own Ünï 'q\" x.json")
    #expect(
      recipe.commands.contains(
        #".build/release/tca-lab run 'own Ünï '\''q" x.json' --db 'd b"1.sqlite'"#),
      "\(recipe.commands)")
    // What a program would take for an option is a file.
    let option = try commands(name: "-x", database: "-v.sqlite")
    #expect(option.contains(".build/release/tca-lab run ./-x.json --db ./-v.sqlite"))
    let page = HTMLRenderer().files(of: Report(of: results))[0].text
    #expect(!page.contains("experiments/"))
  }

  @Test(
    "What is no commit is said, not checked out",
    arguments: ["0123456789ab-dirty", "unknown", "a; rm -rf x\nb"])
  func changed(source: String) throws {
    let commands = try commands(source: source)
    #expect(commands[0] == "# measured with a source that is no commit: \(source.onOneLine)")
    #expect(!commands.contains { $0.hasPrefix("git checkout") })
  }

  @Test("Of two commits the newest is checked out, and the other said")
  func twoCommits() throws {
    var results = ExampleResults.experiment(contexts: [512])
    var later = results.runs[0]
    later.id = 2
    later.provenance.sourceState = "ba9876543210"
    results.runs.append(later)
    results.rows[1].kinds[.quality] = 2
    let commands = try #require(Report(of: results).recipe).commands
    #expect(
      commands.prefix(2) == [
        "# some figures were measured at 0123456789ab", "git checkout ba9876543210",
      ])
  }

  @Test("A model of the user's is a file with a digest, a synthetic one is nothing to fetch")
  func models() throws {
    let spec =
      #"{"models": [{"name": "smollm2-135m", "path": "x.gguf"}, {"name": "s", "synthetic": {}}, 7]}"#
    let commands = try commands(spec: spec)
    #expect(commands.contains("# smollm2-135m is the file x.gguf, SHA-256 b179c9523d0e6a0f"))
    #expect(!commands.contains { $0.contains("models pull") })
  }

  @Test("A spec that is no JSON names no models") func damaged() throws {
    #expect(try !commands(spec: "{").contains { $0.contains("models pull") })
  }

  @Test(
    "A name is one word of a shell",
    arguments: [
      ("a-b_1.json", "a-b_1.json"), ("", "''"), ("a b", "'a b'"), ("it's", #"'it'\''s'"#),
      ("$(x)`y`;|", "'$(x)`y`;|'"), ("'\u{301}", "''\\''\u{301}'"), ("é", "'é'"),
    ])
  func words(name: String, word: String) {
    #expect(ShellWord.quoted(name).utf8.elementsEqual(word.utf8))
  }

  @Test("A name with blanks is quoted wherever it stands") func quoted() throws {
    let commands = try commands(name: "a b")
    #expect(commands.contains(".build/release/tca-lab run 'a b.json' --db tca-lab.sqlite"))
  }
}
