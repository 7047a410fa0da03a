import GGUF

/// What a file's metadata and tensor table make of it as a model, and everything that opening it as
/// one would refuse.
///
/// For a file to be looked at rather than run: no weights are kept, and the file may be one that was
/// only surveyed.
public struct ModelSurvey: Sendable {
  /// Nil where the settings do not make one.
  public let blueprint: DecoderBlueprint?
  /// Empty for a model that can be run.
  public let problems: [ModelError]

  public init(_ file: GGUFFile) {
    var blueprint: DecoderBlueprint?
    var problems: [ModelError] = []
    do throws(ModelError) {
      var metadata = try DecoderMetadata(file, name: file.name)
      metadata.tensors.problems = []
      let stated = try metadata.architecture.blueprint(&metadata)
      blueprint = stated
      problems += metadata.problems(of: stated)
      problems += DecoderWeights.problems(metadata.tensors, stated)
    } catch {
      problems.append(error)
    }
    self.blueprint = blueprint
    self.problems = problems
  }
}
