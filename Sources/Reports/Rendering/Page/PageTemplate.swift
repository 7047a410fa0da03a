import Digests
import Foundation
import JSON
import Mustache

/// The page's frame: `page.mustache`, `page.css` and `page.js`, which are part of the program.
///
/// What the template shows with two braces is escaped; with three stands what is HTML already.
enum PageTemplate {
  static func text(of content: PageContent) -> String { template.render(content) }

  static let style = String(decoding: PackageResources.page_css, as: UTF8.self)
  static let script = String(decoding: PackageResources.page_js, as: UTF8.self)

  /// What the page may do: apply its own style, run this very script, offer data made in it as files.
  static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(base64OfDigest(script))'; "
    + "base-uri 'none'; form-action 'none'"

  private static let template: MustacheTemplate = {
    MustacheContentTypes.register(ScalarEscaping(), named: ScalarEscaping.name)
    do {
      let text = String(decoding: PackageResources.page_mustache, as: UTF8.self)
      return try MustacheTemplate(string: text)
    } catch {
      // The text is a constant that tests render.
      preconditionFailure("PageTemplate: page.mustache is no template: \(error)")
    }
  }()

  private static func base64OfDigest(_ text: String) -> String {
    let digits = Array(SHA256Digest.of(text))
    let bytes = stride(from: 0, to: digits.count, by: 2).map {
      UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0
    }
    return Data(bytes).base64EncodedString()
  }
}

/// Text for readers. Mustache's own escaping goes by `Character`, and so passes a `<` with an accent behind it.
private struct ScalarEscaping: MustacheContentType {
  /// The word for it in the template's first line.
  static let name = "XML"

  func escapeText(_ text: String) -> String { PageText.shown(text) }
}

/// Text inside of the page.
enum PageText {
  /// Without what turns the direction of the text behind it around.
  static func shown(_ text: String) -> String {
    XMLText.escaped(text.replacingScalars { TerminalText.turnsDirection($0) ? "" : nil })
  }
}
