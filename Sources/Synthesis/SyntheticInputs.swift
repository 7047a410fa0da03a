import Foundation
import Records
import Synchronization
import Tensors
import Threads

/// Makes the queries, keys and values of a ``SyntheticGeometry``, any stretch of them at a time.
///
/// A row depends on the pattern's seed, the stream (one sample's tokens), layer, head and position alone, not on which
/// rows are made together or by how many threads. With unit directions s, h and planes (a_f, b_f) of a KV head, all
/// orthogonal, and N normal noise:
///
///     w_p = Σ_f (a_f cos ω_f p + b_f sin ω_f p) / √F     so that w_p · w_r = mean of cos ω_f (p − r)
///     k_p = √(√d sinkStrength) [p < sinks] s + √(√d heavyStrength) [p heavy] u_p h + √(√d localStrength) w_p + √noise N
///     q_p = √(√d sinkStrength) s + √(√d heavyStrength) g_p h + √(√d localStrength) w_p + √noise N
///
/// with u_p in 0.7…1.3, g_p in 0.6…1.2 and F frequencies ω_f from 1 down to 1/localDistance in equal ratios, as rotary
/// embeddings have them. A diffuse head's queries are √noise N. Values are N, a tenth as long for sinks.
package struct SyntheticInputs: Sendable {
  package let geometry: SyntheticGeometry

  package init(_ geometry: SyntheticGeometry) { self.geometry = geometry }

  /// Structure of a layer's KV heads. Made anew each time: it is little work, and a geometry may claim any size.
  private func heads(ofLayer layer: Int) -> [PlantedHead] {
    let diffuse = Self.diffuseHeads(of: geometry, layer: layer)
    return (0..<geometry.kvHeads).map {
      PlantedHead(geometry, layer: layer, kvHead: $0, diffuse: diffuse)
    }
  }

  /// Which query heads of a layer have no structure.
  private static func diffuseHeads(of geometry: SyntheticGeometry, layer: Int) -> Set<Int> {
    var generator = SeededGenerator(seed: geometry.pattern.seed, purpose: "diffuse heads \(layer)")
    var heads = Array(0..<geometry.queryHeads)
    generator.shuffle(&heads)
    let count = Int(geometry.pattern.diffuseHeads * Double(geometry.queryHeads))
    return Set(heads.prefix(count))
  }

  /// Inputs of one layer for consecutive tokens: queries (tokens x queryHeads·d), keys and values (tokens x kvHeads·d).
  package struct Rows {
    package var queries: Matrix
    package var keys: Matrix
    package var values: Matrix

    init(rows: Int, _ geometry: SyntheticGeometry) {
      let d = geometry.headDimension
      queries = Matrix(rows: rows, columns: geometry.queryHeads * d)
      keys = Matrix(rows: rows, columns: geometry.kvHeads * d)
      values = Matrix(rows: rows, columns: geometry.kvHeads * d)
    }

    private init(queries: Matrix, keys: Matrix, values: Matrix) {
      self.queries = queries
      self.keys = keys
      self.values = values
    }

    package func copy(ofRows range: Range<Int>) -> Rows {
      Rows(
        queries: queries.copy(ofRows: range), keys: keys.copy(ofRows: range),
        values: values.copy(ofRows: range))
    }

    mutating func replace(from first: Int, with part: Rows) {
      let rows = 0..<part.queries.rows
      queries.replaceRows(from: first, with: part.queries, rows: rows)
      keys.replaceRows(from: first, with: part.keys, rows: rows)
      values.replaceRows(from: first, with: part.values, rows: rows)
    }
  }

  /// Rows that one worker makes at a time, and how many such chunks wait to be put in their place.
  private static let chunkRows = 256
  private static let chunksInFlight = 16

  package func rows(
    _ positions: Range<Int>, layer: Int, stream: Int, workers: WorkerPool
  ) -> Rows {
    var rows = Rows(rows: positions.count, geometry)
    let heads = heads(ofLayer: layer)
    let chunks = stride(from: 0, to: positions.count, by: Self.chunkRows).map {
      $0..<min($0 + Self.chunkRows, positions.count)
    }
    for first in stride(from: 0, to: chunks.count, by: Self.chunksInFlight) {
      let wave = chunks[first..<min(first + Self.chunksInFlight, chunks.count)]
      let made = Mutex<[Int: Rows]>([:])
      workers.run(count: wave.count) { item, _ in
        let chunk = wave[wave.startIndex + item]
        let part = chunkOf(
          positions.lowerBound + chunk.lowerBound..<positions.lowerBound + chunk.upperBound,
          of: heads, stream: stream)
        made.withLock { $0[chunk.lowerBound] = part }
      }
      for (place, part) in made.withLock({ $0 }) { rows.replace(from: place, with: part) }
    }
    return rows
  }

  private func chunkOf(_ positions: Range<Int>, of heads: [PlantedHead], stream: Int) -> Rows {
    var rows = Rows(rows: positions.count, geometry)
    for head in heads { head.write(positions, stream: stream, into: &rows) }
    return rows
  }
}

/// One KV head with its query heads.
private struct PlantedHead: Sendable {
  let geometry: SyntheticGeometry
  let layer: Int
  let kvHead: Int
  /// Of each query head of the group: whether it has no structure.
  let isDiffuse: [Bool]
  /// (2 + 2F x d): s, h, then a_f and b_f in turn.
  let directions: [Float]
  let frequencies: [Double]

  init(_ geometry: SyntheticGeometry, layer: Int, kvHead: Int, diffuse: Set<Int>) {
    self.geometry = geometry
    self.layer = layer
    self.kvHead = kvHead
    let members = geometry.queryHeads / geometry.kvHeads
    isDiffuse = (0..<members).map { diffuse.contains(kvHead * members + $0) }
    let d = geometry.headDimension
    let planes = min(16, (d - 2) / 4)
    let longest = Double(geometry.pattern.localDistance)
    frequencies = (0..<planes).map { plane in
      pow(longest, -Double(planes == 1 ? 1 : plane) / Double(max(1, planes - 1)))
    }
    var generator = SeededGenerator(
      seed: geometry.pattern.seed, purpose: "directions \(layer) \(kvHead)")
    directions = Self.orthogonal(2 + 2 * planes, dimension: d, &generator)
  }

  /// Orthogonal unit vectors in random directions (Gram and Schmidt, twice for rounding).
  private static func orthogonal(
    _ count: Int, dimension d: Int, _ generator: inout SeededGenerator
  ) -> [Float] {
    var vectors: [[Double]] = []
    while vectors.count < count {
      var vector = (0..<d).map { _ in generator.normal() }
      for other in vectors + vectors {
        let dot = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
        for i in 0..<d { vector[i] -= dot * other[i] }
      }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      if length > 1e-3 { vectors.append(vector.map { $0 / length }) }
    }
    return vectors.flatMap { $0.map(Float.init) }
  }

  func write(_ positions: Range<Int>, stream: Int, into rows: inout SyntheticInputs.Rows) {
    let pattern = geometry.pattern
    let d = geometry.headDimension
    let members = isDiffuse.count
    let root = Double(d).squareRoot()
    let sink = Float((pattern.sinkStrength * root).squareRoot())
    let heavy = Float((pattern.heavyStrength * root).squareRoot())
    let local = Float(
      (pattern.localStrength * root / Double(max(1, frequencies.count))).squareRoot())
    let noise = Float(pattern.noise.squareRoot())
    let directions = directions.span
    var wave = [Float](repeating: 0, count: d)
    for (row, position) in positions.enumerated() {
      setWave(&wave, position: position, scale: local)
      var key = noiseSource(stream, position, kind: 0)
      let isHeavy = key.unit() < pattern.heavyShare
      let weight = isHeavy ? heavy * Float(0.7 + 0.6 * key.unit()) : 0
      let isSink = position < pattern.sinks
      let first = row * rows.keys.columns + kvHead * d
      fillNoise(&rows.keys.elements, at: first, count: d, scale: noise, &key)
      add(wave.span, 1, to: &rows.keys.elements, at: first)
      if isHeavy {
        add(directions.extracting(d..<2 * d), weight, to: &rows.keys.elements, at: first)
      }
      if isSink { add(directions.extracting(0..<d), sink, to: &rows.keys.elements, at: first) }
      var value = noiseSource(stream, position, kind: 1)
      fillNoise(
        &rows.values.elements, at: first, count: d, scale: isSink ? 0.1 : 1, &value)
      for member in 0..<members {
        var query = noiseSource(stream, position, kind: 2 + member)
        let gain = heavy * Float(0.6 + 0.6 * query.unit())
        let column = (kvHead * members + member) * d
        let first = row * rows.queries.columns + column
        fillNoise(&rows.queries.elements, at: first, count: d, scale: noise, &query)
        guard !isDiffuse[member] else { continue }
        add(wave.span, 1, to: &rows.queries.elements, at: first)
        add(directions.extracting(0..<d), sink, to: &rows.queries.elements, at: first)
        add(directions.extracting(d..<2 * d), gain, to: &rows.queries.elements, at: first)
      }
    }
  }

  /// wave = scale · Σ_f (a_f cos ω_f p + b_f sin ω_f p).
  private func setWave(_ wave: inout [Float], position: Int, scale: Float) {
    let d = geometry.headDimension
    for i in 0..<d { wave[i] = 0 }
    let directions = directions.span
    for (plane, frequency) in frequencies.enumerated() {
      let angle = Double(position) * frequency
      let first = (2 + 2 * plane) * d
      add(
        directions.extracting(first..<first + d), scale * Float(cos(angle)), to: &wave, at: 0)
      add(
        directions.extracting(first + d..<first + 2 * d), scale * Float(sin(angle)), to: &wave,
        at: 0)
    }
  }

  private func add(_ vector: Span<Float>, _ factor: Float, to target: inout [Float], at first: Int)
  {
    var span = target.mutableSpan
    for i in 0..<vector.count { span[first + i] += factor * vector[i] }
  }

  /// Four 16-bit uniform numbers a draw, added up: close to normal, bounded by 3.5 standard deviations, and the same on
  /// every machine.
  private func fillNoise(
    _ target: inout [Float], at first: Int, count: Int, scale: Float,
    _ generator: inout SeededGenerator
  ) {
    let unit = scale * Float(3.0.squareRoot() / 65536)
    var span = target.mutableSpan
    for i in 0..<count {
      let bits = generator.next()
      let sum =
        Int32(truncatingIfNeeded: bits & 0xffff) + Int32(truncatingIfNeeded: bits >> 16 & 0xffff)
        + Int32(truncatingIfNeeded: bits >> 32 & 0xffff) + Int32(truncatingIfNeeded: bits >> 48)
      span[first + i] = Float(sum - 131_070) * unit
    }
  }

  /// The numbers of one row: `kind` 0 for the key, 1 for the value, 2… for the query heads of the group.
  private func noiseSource(_ stream: Int, _ position: Int, kind: Int) -> SeededGenerator {
    var state: UInt64 = 0x7463_615f_6c61_6231
    for part in [geometry.pattern.seed, stream, layer, kvHead, kind, position] {
      var mixer = SeededGenerator(seed: state ^ UInt64(bitPattern: Int64(part)))
      state = mixer.next()
    }
    return SeededGenerator(seed: state)
  }
}
