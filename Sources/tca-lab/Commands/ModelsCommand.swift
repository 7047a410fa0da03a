import ArgumentParser
import Foundation
import GGUF
import ModelLibrary
import Records
import Reports

struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Lists, fetches and inspects models.",
    discussion: "Example: tca-lab models pull smollm2-135m-instruct",
    subcommands: [List.self, Pull.self, Inspect.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the models of the catalogue.",
      discussion: "Example: tca-lab models list --json")
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let listing = ModelListing(catalogue: try ModelCatalogue.builtIn())
      if json {
        try Output.prettyJSON(listing.json())
      } else {
        try Output.text(listing.text)
      }
    }
  }

  struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetches a model of the catalogue and verifies it.",
      discussion: """
        A model with terms of its own asks whether they are accepted; without a terminal \
        --accept-licence says so.
        Example: tca-lab models pull smollm2-135m-instruct
        Example: tca-lab models pull gemma3-270m --accept-licence gemma
        """)
    @Argument(help: "A name of the catalogue.", completion: .catalogueModels) var name: String
    @Option(
      name: .customLong("accept-licence"),
      help: ArgumentHelp("Accept a model's terms, by their word, such as gemma.", valueName: "word")
    )
    var acceptedLicence: String?

    func run() throws {
      let catalogue = try ModelCatalogue.builtIn()
      let model = try catalogue.requireModel(named: name)
      let ask: ((CatalogueModel.Terms) -> Bool)? = Log.canAsk ? { Self.ask($0) } : nil
      let consent = try LicenceConsent(
        to: model, in: catalogue.cache, word: acceptedLicence, ask: ask)
      if let terms = model.terms { Log.line("\(terms.title), accepted: \(terms.page)") }
      let interruption = Interruption()
      let puller = ModelPuller(
        cache: catalogue.cache, isInterrupted: { interruption.isRequested }, report: Self.tell)
      let outcome: ModelPuller.Outcome
      do {
        outcome = try puller.pull(model, with: consent)
      } catch {
        Log.endProgress()
        throw error.reason == .interrupted
          ? Failure(interruption.status, "\(error)") : Failure.from(error)
      }
      Log.line(
        outcome == .alreadyThere
          ? "\(name) is there already, and its digest is right" : "\(name) pulled and verified")
      try Output.text(catalogue.cache.path(of: model))
    }

    private static func ask(_ terms: CatalogueModel.Terms) -> Bool {
      Log.ask("This model is under the \(terms.title): \(terms.page)\nDo you accept them? [y/N] ")
    }

    private static func tell(_ step: ModelPuller.Step) {
      switch step {
      case .downloading(let bytes, let total):
        Log.progress(
          String(
            format: "downloading: %.1f of about %.1f MB", Double(bytes) / 1e6,
            Double(total) / 1e6))
      case .unpacking: Log.progress("unpacking")
      case .verifying: Log.progress("verifying")
      }
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Shows what a GGUF file holds, and whether it can be run.",
      discussion: """
        Any architecture is shown, and a file that is cut off as far as it goes.
        The exit code is 3 where the file cannot be run.
        Example: tca-lab models inspect model.gguf
        Example: tca-lab models inspect smollm2-135m-instruct --json
        """)
    @Argument(help: "A GGUF file, or a pulled model's name.", completion: .models) var file: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let path = try ModelCatalogue.builtIn().resolve(file)
      let listing = FileListing(try GGUFFile(surveying: path))
      if json { try Output.prettyJSON(listing.json()) } else { try Output.text(listing.text) }
      let reasons = listing.inspection.unsupported.count
      guard reasons == 0 else {
        throw Failure(
          .modelOrFile,
          "\(file): this program cannot run it, for \(reasons.counting("reason")) that the listing names"
        )
      }
    }
  }
}
