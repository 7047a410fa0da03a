import Attention
import ModelLibrary
import Reports
import Tensors

extension ReportBackground {
  /// The catalogue's models and the registered strategies.
  static func builtIn() throws -> ReportBackground {
    ReportBackground(
      models: Dictionary(
        try ModelCatalogue.builtIn().models.map {
          (
            $0.sha256,
            Model(
              file: $0.file, layers: $0.geometry.layers, globalLayers: $0.geometry.globalLayers)
          )
        }, uniquingKeysWith: { first, _ in first }),
      strategies: StrategyRegistry.builtIn.descriptions,
      formats: Dictionary(
        uniqueKeysWithValues: RowFormat.allCases.map { ($0.rawValue, $0.summary) }))
  }
}
