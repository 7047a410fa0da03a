import Foundation
import LabTestSupport
import Testing

@testable import ModelLibrary

@Suite("Consent to a licence")
struct LicenceConsentTests {
  private static let terms = CatalogueModel.Terms(
    word: "lab", title: "Lab Terms", page: "https://example.org/terms")

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Nil if consent was had; the error as text otherwise.
  private func refusal(
    terms: CatalogueModel.Terms? = terms, word: String? = nil,
    ask: ((CatalogueModel.Terms) -> Bool)? = nil
  ) throws -> String? {
    var model = try FakePip().model
    model.terms = terms
    do {
      _ = try LicenceConsent(
        to: model, in: ModelCache(folder: folder.url.path), word: word, ask: ask)
      return nil
    } catch {
      #expect(error.reason == .licenceNotAccepted)
      return error.description
    }
  }

  @Test("A model without terms asks nothing, and has nothing to accept")
  func withoutTerms() throws {
    let asked = { (_: CatalogueModel.Terms) -> Bool in
      Issue.record("asked")
      return false
    }
    #expect(try refusal(terms: nil, ask: asked) == nil)
    #expect(
      try refusal(terms: nil, word: "lab")
        == "--accept-licence \"lab\": the model \"tiny\" (MIT) has no terms to accept; leave the option out"
    )
  }

  @Test("Without a word or a person it is refused, with the address and the option")
  func nobody() throws {
    #expect(
      try refusal()
        == "the model \"tiny\" is under the Lab Terms, https://example.org/terms, which have to be accepted, and there is no terminal to ask on; read them, and pull with --accept-licence lab"
    )
  }

  @Test("The right word is enough; any other is refused with the right one")
  func word() throws {
    #expect(try refusal(word: "lab") == nil)
    for word in ["Lab", "", "yes", "lab "] {
      #expect(
        try refusal(word: word)
          == "--accept-licence is \"\(word)\"; for the model \"tiny\" it is \"lab\", which accepts the Lab Terms: https://example.org/terms"
      )
    }
  }

  @Test("A person is shown the terms, and the answer counts")
  func person() throws {
    var shown: [CatalogueModel.Terms] = []
    func answer(_ answer: Bool) -> (CatalogueModel.Terms) -> Bool {
      {
        shown.append($0)
        return answer
      }
    }
    #expect(try refusal(ask: answer(true)) == nil)
    #expect(
      try refusal(ask: answer(false)) == "the Lab Terms were not accepted; nothing was fetched")
    #expect(shown == [Self.terms, Self.terms])
  }

  @Test("What was fetched before was accepted then")
  func fetched() throws {
    try folder.write(FakePip.content, to: "tiny.gguf")
    #expect(try refusal() == nil)
    try folder.write("damaged", to: "tiny.gguf")
    #expect(try refusal() != nil)
  }
}
