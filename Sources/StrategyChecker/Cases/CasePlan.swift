import Attention
import Records
import Tensors

/// The cases of one strategy: parameter sets crossed with prompt lengths around the borders of blocks and windows and
/// with groups of 1, 3, 4, 7 and 8 query heads.
struct CasePlan {
  let entry: StrategyEntry
  let seed: Int

  private struct Geometry {
    let queryHeads: Int
    let kvHeads: Int
    let headDimension: Int
    var ropeBase: Double?
  }

  /// Groups of 3, 1 and 8 query heads; head dimensions of one vector, of one and a half, of half a vector; two with a
  /// known rotation and one without.
  private static let geometries = [
    Geometry(queryHeads: 6, kvHeads: 2, headDimension: 16, ropeBase: 10_000),
    Geometry(queryHeads: 3, kvHeads: 3, headDimension: 24),
    Geometry(queryHeads: 16, kvHeads: 2, headDimension: 8, ropeBase: 100),
  ]

  /// The head dimensions and groups of models that people have, each once: they cost more.
  private static let largeGeometries = [
    Geometry(queryHeads: 7, kvHeads: 1, headDimension: 64, ropeBase: 1_000_000),
    Geometry(queryHeads: 2, kvHeads: 2, headDimension: 96, ropeBase: 10_000),
    Geometry(queryHeads: 8, kvHeads: 2, headDimension: 128, ropeBase: 500_000),
    Geometry(queryHeads: 4, kvHeads: 1, headDimension: 256, ropeBase: 10_000),
  ]

  /// One token, one block, ragged last blocks, shorter than a window and longer: a token before, at and after each
  /// border of blocks of 16 and windows of 32.
  private static let promptLengths = [
    1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100,
  ]
  /// Beyond a tile of the kernel and several pages of the cache.
  private static let longPrompt = 500
  /// Enough to cross a border of blocks.
  private static let decodeTokens = 20

  var cases: [CheckCase] {
    var cases: [CheckCase] = []
    for (index, length) in Self.promptLengths.enumerated() {
      for turn in 0..<2 {
        cases += self.cases(length, Self.geometry(index + turn)) { [$0.base] }
      }
    }
    for geometry in 0..<2 {
      cases += self.cases(Self.longPrompt, Self.geometry(geometry)) { [$0.base] }
    }
    for geometry in Self.largeGeometries { cases += self.cases(49, geometry) { [$0.base] } }
    for (index, length) in [100, 49, 17, 1].enumerated() {
      cases += self.cases(length, Self.geometry(index), \.variations)
      cases += self.cases(
        length, Self.geometry(index + 1), coversEverything: true, \.covering)
    }
    for (index, format) in Self.formats.enumerated() {
      cases += self.cases(Self.formatPrompt, Self.blockGeometry, cache: format) { [$0.base] }
      cases += self.cases(
        [49, 130, 17][index % 3], Self.blockGeometry, cache: format, coversEverything: true,
        \.covering)
    }
    return cases
  }

  /// Every format of the cache but that of all other cases, and keys and values of different ones.
  private static let formats =
    RowFormat.allCases.filter { $0 != .f32 }.map { CacheFormat($0) } + [
      CacheFormat(keys: .q8_0, values: .q4_0), CacheFormat(keys: .kivi2, values: .q4_0_rotated),
    ]
  /// Rows of two blocks.
  private static let blockGeometry = Geometry(
    queryHeads: 6, kvHeads: 2, headDimension: 64, ropeBase: 10_000)
  /// Some tokens before a multiple of 128, where KIVI quantises keys.
  private static let formatPrompt = 245

  private static func geometry(_ index: Int) -> Geometry { geometries[index % geometries.count] }

  private func cases(
    _ promptTokens: Int, _ geometry: Geometry, cache: CacheFormat = .f32,
    coversEverything: Bool = false,
    _ parameters: (ParameterSets) -> [ParameterSets.Parameters]
  ) -> [CheckCase] {
    let layers = 2
    let sets = ParameterSets(
      entry: entry,
      shape: AttentionShape(
        layers: layers, queryHeads: geometry.queryHeads, kvHeads: geometry.kvHeads,
        headDimension: geometry.headDimension),
      promptTokens: promptTokens, tokens: promptTokens + Self.decodeTokens,
      seed: seed + promptTokens)
    return parameters(sets).compactMap { parameters in
      guard let format = format(for: parameters, cache) else { return nil }
      let block = format.keys.blockNumbers
      return CheckCase(
        seed: seed + promptTokens, layers: layers, queryHeads: geometry.queryHeads,
        kvHeads: geometry.kvHeads,
        headDimension: (geometry.headDimension + block - 1) / block * block,
        ropeBase: geometry.ropeBase, promptTokens: promptTokens, decodeTokens: Self.decodeTokens,
        cache: format, parameters: .object(parameters), coversEverything: coversEverything)
    }
  }

  /// The format of a case, or the one that its strategy needs where cases have none of their own; nil for none that it can
  /// be used with.
  private func format(for parameters: ParameterSets.Parameters, _ cache: CacheFormat)
    -> CacheFormat?
  {
    ([cache] + (cache == .f32 ? [.nested] : [])).first { format in
      guard let configured = try? entry.configure(.object(parameters), cache: format) else {
        // What is wrong with them is found where they are used.
        return true
      }
      return (try? configured.checkCache()) != nil
    }
  }
}
