import Foundation
import Tensors
import Testing
import Threads

@testable import Synthesis

@Suite("Made-up attention inputs")
struct SyntheticInputsTests {
  private static let geometry = SyntheticGeometry(
    layers: 2, queryHeads: 4, kvHeads: 2, headDimension: 64)

  private static func rows(
    _ positions: Range<Int>, of geometry: SyntheticGeometry = geometry, layer: Int = 0,
    stream: Int = 3, threads: Int = 1
  ) throws -> SyntheticInputs.Rows {
    SyntheticInputs(geometry).rows(
      positions, layer: layer, stream: stream,
      workers: try WorkerPool(threadCount: threads, preparingEachWith: {}))
  }

  @Test("Rows depend on their place alone: not on threads, nor on what is made with them")
  func deterministic() throws {
    let all = try Self.rows(0..<1100, threads: 3)
    let one = try Self.rows(0..<1100)
    #expect(all.queries == one.queries && all.keys == one.keys && all.values == one.values)
    let part = try Self.rows(700..<1011, threads: 2)
    #expect(part.queries == all.queries.copy(ofRows: 700..<1011))
    #expect(part.keys == all.keys.copy(ofRows: 700..<1011))
    #expect(part.values == all.values.copy(ofRows: 700..<1011))
    // Other layers, streams and heads have other numbers.
    #expect(try Self.rows(0..<8, layer: 1).keys != Self.rows(0..<8).keys)
    #expect(try Self.rows(0..<8, stream: 4).keys != Self.rows(0..<8).keys)
    #expect(all.keys[9, 0] != all.keys[9, 64])
  }

  @Test("The numbers of generator version 1 don't change")
  func golden() throws {
    #expect(SyntheticGeometry.generatorVersion == 1)
    let rows = try Self.rows(0..<1000)
    func sum(_ matrix: Matrix) -> Double {
      matrix.elements.enumerated().reduce(0) { $0 + Double($1.element) * Double($1.offset % 7) }
    }
    let found = [sum(rows.queries), sum(rows.keys), sum(rows.values)]
    for (value, expected) in zip(found, [-69_888.901, 26_844.908, 782.453]) {
      #expect(abs(value - expected) < 1e-5 * abs(expected), "\(found)")
    }
  }

  /// Mean logit q·k/√d of a query head's queries from `first` on with the keys that `isMeant(query, key)`.
  private func logit(
    _ rows: SyntheticInputs.Rows, head: Int, kvHead: Int, d: Int, from first: Int = 512,
    _ isMeant: (Int, Int) -> Bool
  ) -> Double {
    var sum = 0.0
    var count = 0
    for query in stride(from: first, to: rows.queries.rows, by: 13) {
      for key in 0...query where isMeant(query, key) {
        var dot: Float = 0
        for i in 0..<d {
          dot += rows.queries[query, head * d + i] * rows.keys[key, kvHead * d + i]
        }
        sum += Double(dot) / Double(d).squareRoot()
        count += 1
      }
    }
    return sum / Double(max(1, count))
  }

  @Test("What is planted is found: sinks, locality, heavy tokens, and nothing in diffuse heads")
  func planted() throws {
    var geometry = SyntheticGeometry(queryHeads: 4, kvHeads: 1, headDimension: 128)
    geometry.pattern.diffuseHeads = 0.25
    geometry.pattern.localDistance = 128
    let d = geometry.headDimension
    let rows = try Self.rows(0..<1024, of: geometry)
    let heads = (0..<4).map { head in
      [
        logit(rows, head: head, kvHead: 0, d: d) { $1 < 4 },
        logit(rows, head: head, kvHead: 0, d: d) { $0 == $1 },
        logit(rows, head: head, kvHead: 0, d: d) { $0 - $1 == 8 },
        logit(rows, head: head, kvHead: 0, d: d) { $0 - $1 > 256 && $1 >= 4 },
      ]
    }
    let diffuse = heads.filter { $0.allSatisfy { abs($0) < 1 } }
    #expect(diffuse.count == 1, "\(heads)")
    for head in heads where abs(head[0]) >= 1 {
      #expect((7...11).contains(head[0]) && (7...11).contains(head[1]), "\(head)")
      #expect(head[1] > head[2] + 2 && head[2] > head[3] + 1 && abs(head[3]) < 1, "\(head)")
    }
    // Heavy tokens: a share of them, about their strength above the others for every structured head.
    geometry.pattern.heavyShare = 0.05
    geometry.pattern.localStrength = 0
    geometry.pattern.noise = 0.01
    geometry.pattern.diffuseHeads = 0
    let heavy = try Self.rows(0..<1024, of: geometry)
    let means = (4..<512).map { key in logit(heavy, head: 1, kvHead: 0, d: d) { $1 == key } }
    let high = means.filter { $0 > 3 }
    #expect((10...45).contains(high.count) && means.allSatisfy { $0 > 3 || abs($0) < 1 })
    #expect((6...8.5).contains(high.reduce(0, +) / Double(high.count)))
  }

  @Test("The digest is of all that decides the numbers")
  func digest() {
    var digests: Set<String> = [Self.geometry.digest]
    var other = Self.geometry
    other.layers = 3
    digests.insert(other.digest)
    other.pattern.seed = 1
    digests.insert(other.digest)
    other.pattern.noise = 0.25
    digests.insert(other.digest)
    #expect(digests.count == 4)
    #expect(Self.geometry.digest == Self.geometry.digest)
  }

  @Test("Odd geometries make inputs too", arguments: [8, 9, 80, 100])
  func odd(dimension: Int) throws {
    let rows = try Self.rows(
      0..<3, of: SyntheticGeometry(queryHeads: 7, kvHeads: 1, headDimension: dimension))
    #expect(rows.queries.columns == 7 * dimension && rows.keys.columns == dimension)
    #expect(rows.queries.elements.allSatisfy { $0.isFinite })
  }
}
