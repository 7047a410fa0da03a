import Digests
import JSON
import Tensors

extension SyntheticGeometry {
  /// Without a rotation: queries and keys are made as if they were rotated already.
  public var shape: AttentionShape {
    AttentionShape(
      layers: layers, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension)
  }

  /// SHA-256 over geometry, pattern and the generator's version: what a model file's digest is for a file.
  public var digest: String {
    // Plain numbers always encode.
    let content = (try? JSONValue(encoding: self)) ?? .null
    return SHA256Digest.of(
      JSONValue.object([
        "synthetic": content, "generatorVersion": .integer(Self.generatorVersion),
      ]).canonicalText)
  }
}
