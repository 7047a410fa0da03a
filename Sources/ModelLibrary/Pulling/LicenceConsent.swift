/// That a person or a script has accepted a model's terms, where it has any: nothing is fetched
/// without it.
public struct LicenceConsent: Sendable {
  /// The model's name.
  let model: String

  /// A model whose file is in the cache was accepted when it was fetched.
  ///
  /// - Parameters:
  ///   - word: what the command line says that it accepts, if it says so.
  ///   - ask: puts the terms to a person and gives the answer; nil where there is nobody to ask.
  /// - Throws: `licenceNotAccepted`, with the word that accepts the terms.
  public init(
    to model: CatalogueModel, in cache: ModelCache, word: String?,
    ask: ((CatalogueModel.Terms) -> Bool)?
  ) throws(ModelLibraryError) {
    self.model = model.name
    guard let terms = model.terms else {
      guard let word else { return }
      throw ModelLibraryError(
        .licenceNotAccepted,
        "--accept-licence \"\(word)\": the model \"\(model.name)\" (\(model.licence)) has no terms to accept; leave the option out"
      )
    }
    if let word {
      guard word != terms.word else { return }
      throw ModelLibraryError(
        .licenceNotAccepted,
        "--accept-licence is \"\(word)\"; for the model \"\(model.name)\" it is \"\(terms.word)\", which accepts the \(terms.title): \(terms.page)"
      )
    }
    if cache.contains(model) { return }
    guard let ask else {
      throw ModelLibraryError(
        .licenceNotAccepted,
        "the model \"\(model.name)\" is under the \(terms.title), \(terms.page), which have to be accepted, and there is no terminal to ask on; read them, and pull with --accept-licence \(terms.word)"
      )
    }
    guard ask(terms) else {
      throw ModelLibraryError(
        .licenceNotAccepted, "the \(terms.title) were not accepted; nothing was fetched")
    }
  }
}
