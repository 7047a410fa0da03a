import GGUF
import ModelLibrary
import Testing

private let pulledModels: [CatalogueModel] = {
  let catalogue = try? ModelCatalogue.builtIn()
  return catalogue?.models.filter { catalogue?.cache.contains($0) == true } ?? []
}()

/// What the catalogue claims, held against the files of those of its models that were pulled.
@Suite(
  "Pulled models", .enabled(if: !pulledModels.isEmpty, "no model of the catalogue was pulled"))
struct CatalogueModelTests {
  @Test(
    "The catalogue says what the file holds, and the program can run it", arguments: pulledModels)
  func geometry(model: CatalogueModel) throws {
    let path = try ModelCatalogue.builtIn().cache.path(of: model)
    let inspection = ModelInspection(try GGUFFile(surveying: path))
    #expect(inspection.unsupported.isEmpty, "\(inspection.unsupported)")
    #expect(
      inspection.bytes == model.bytes && inspection.architecture == model.geometry.architecture)
    let (found, said) = (try #require(inspection.geometry), model.geometry)
    #expect((found.layers, found.globalLayers) == (said.layers, said.globalLayers))
    #expect(
      (found.contextLength, found.vocabularySize) == (said.contextLength, said.vocabularySize))
    #expect((found.hiddenSize, found.feedForwardSize) == (said.hiddenSize, said.feedForwardSize))
    for kind in found.layerKinds {
      #expect((kind.queryHeads, kind.kvHeads) == (said.queryHeads, said.kvHeads))
      #expect(kind.headDimension == said.headDimension)
    }
  }
}
