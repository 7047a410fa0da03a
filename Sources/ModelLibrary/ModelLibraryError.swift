/// Why a model cannot be found or pulled.
public struct ModelLibraryError: Error, Equatable, CustomStringConvertible {
  public enum Reason: String, Sendable, Equatable {
    /// Neither a name of the catalogue nor a file.
    case unknownName
    /// A catalogue model whose file is not in the cache.
    case notPulled
    case missingFile
    /// A cached file of another size.
    case damagedFile
    case damagedCatalogue
    /// The model's terms were not accepted, or others were.
    case licenceNotAccepted
    /// A program that pulling needs is not there.
    case missingProgram
    /// The package could not be fetched.
    case downloadFailed
    /// The package is not what the catalogue says.
    case wrongContent
    /// The cache folder cannot be written, or the disk is full.
    case cannotStore
    case interrupted
  }

  public let reason: Reason
  public let description: String

  public init(_ reason: Reason, _ description: String) {
    self.reason = reason
    self.description = description
  }

  public var isUnknownName: Bool { reason == .unknownName }
}
