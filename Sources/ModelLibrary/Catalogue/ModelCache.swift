import Digests
import Foundation
import Records

/// The folder of pulled models: `$XDG_CACHE_HOME/tca-lab`, or `~/.cache/tca-lab`.
///
/// A file gets its name there only after its digest was found right, so what has the name is the model.
public struct ModelCache: Sendable, Hashable {
  public let folder: String

  public init(folder: String) { self.folder = folder }

  public static let standard = ModelCache(environment: ProcessInfo.processInfo.environment)

  /// A relative `XDG_CACHE_HOME` counts as none, as the XDG specification has it.
  init(environment: [String: String]) {
    let named = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory()
    folder = (named ?? home + "/.cache") + "/tca-lab"
  }

  /// Where a model's file lies once it has been pulled.
  public func path(of model: CatalogueModel) -> String { "\(folder)/\(model.file)" }

  /// The size of a model's file; nil if it is not there.
  public func size(of model: CatalogueModel) -> Int? {
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: WrittenPath.target(of: path(of: model)))
    guard attributes?[.type] as? FileAttributeType != .typeDirectory else { return nil }
    return (attributes?[.size] as? NSNumber)?.intValue
  }

  /// True where the file is there, with the right size; nothing is read.
  public func contains(_ model: CatalogueModel) -> Bool { size(of: model) == model.bytes }
}
