import Foundation
import Tensors

extension AttentionKernel {
  /// Whether a query may skim: its heads see all that the caches hold, and the caches say little of a token in few bits.
  static func canSkim(
    _ caches: UnsafeBufferPointer<BareMemory.Cache>, _ heads: [KVHead], _ selections: [Selection],
    query: Int
  ) -> Bool {
    zip(caches, heads).allSatisfy { cache, head in
      guard let first = cache.positions.first, let last = cache.positions.last, head.cold == nil,
        let keys = cache.keys.nested, let values = cache.values.nested, keys.lead == values.lead
      else { return false }
      return last <= query
        && selections.allSatisfy { $0.window.start(forQuery: query) <= first }
    }
  }

  /// One query against all that the caches hold, most of it read coarsely; see ``SkimPass``.
  ///
  /// - Parameters:
  ///   - caches: those of the heads, for which ``canSkim(_:_:_:query:)`` holds.
  ///   - weight: tokens with a larger share of a query head's attention are read whole.
  func attendSkimming(
    _ step: AttentionStep, row: Int, _ buffers: AttentionBuffers, heads: [KVHead],
    caches: UnsafeBufferPointer<BareMemory.Cache>, exactAbove weight: Double
  ) {
    let (queryHeads, tokens) = (step.shape.queryHeads, step.tokens)
    let d = step.shape.headDimension
    let group = step.shape.queryHeadsPerKVHead
    let leads = caches.map { $0.keys.nested!.lead }
    let parts = Self.parts(
      heads, before: step.firstPosition + row + 1, slots: Self.skimmedSlots, leads: leads)
    // Whole groups, and no power of two from one head's to the next one's.
    let stride = (heads.map(\.count).max() ?? 0) / 32 * 32 + 64 + 16
    let partials = partialBuffer.reserve(parts.count * group * (d + 2) + 2 * queryHeads * stride)
    let logits = partials + parts.count * group * (d + 2)
    let queries = caches.enumerated().map { kvHead, cache in
      SkimQueries(
        buffers.queries + (row * queryHeads + kvHead * group) * d, heads: group,
        keys: cache.keys.nested!, scale: cache.scale)
    }
    withUnsafeTemporaryAllocation(
      of: BinaryLogits.Mass.self, capacity: parts.count * group
    ) { ranked in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: queryHeads) { limits in
        parts.withUnsafeBufferPointer { parts in
          queries.withUnsafeBufferPointer { queries in
            nonisolated(unsafe) let (parts, caches, queries) = (parts, caches, queries)
            nonisolated(unsafe) let (scratch, partials) = (partScratch, partials)
            nonisolated(unsafe) let ranked = ranked.baseAddress!
            nonisolated(unsafe) let limits = limits.baseAddress!
            nonisolated(unsafe) let logits = logits
            @Sendable func pass(_ item: Int, _ worker: Int) -> SkimPass {
              let part = parts[item]
              let cache = caches[part.kvHead]
              let places =
                part.range.lowerBound + leads[part.kvHead]..<part.range.upperBound
                + leads[part.kvHead]
              let place =
                part.kvHead * group * stride
                + places.lowerBound / NestedGroups.rows * NestedGroups.rows
              return SkimPass(
                keys: cache.keys.nested!, values: cache.values.nested!, places: places,
                queries: queries[part.kvHead],
                logits: logits + place, weights: logits + (queryHeads * stride + place),
                stride: stride, scratch: scratch[worker])
            }
            workers.run(count: parts.count) { item, worker in
              pass(item, worker).rank(into: ranked + item * group)
            }
            for head in 0..<queryHeads {
              limits[head] = Self.limit(parts, ranked, ofHead: head, group: group, weight)
            }
            workers.run(count: parts.count) { item, worker in
              pass(item, worker).attend(
                limits: limits + parts[item].kvHead * group, ranked: ranked + item * group,
                into: partials + item * group * (d + 2))
            }
          }
        }
      }
    }
    parts.withUnsafeBufferPointer { parts in
      for head in 0..<queryHeads {
        let output = buffers.output(
          row: row, head: head, queryHeads: queryHeads, headDimension: d)
        let sum = Self.merge(
          parts, partials, ofHead: head, group: group, headDimension: d, into: output)
        // Weights add up to 1, if there are any.
        if sum > -.infinity {
          caches[head / group].values.nested!.addCentre(times: 1, to: output)
        }
        Hadamard(width: d).turn(rows: 1, stride: d, output)
        buffers.logSumExp[head * tokens + row] = sum
      }
    }
  }

  /// Slots of one piece of work: half as many pieces as of a pass that reads all whole, since it takes half the time.
  static var skimmedSlots: Int { 2 * partSlots }

  /// The logit, in units of log 2, of a token with that share of a head's attention.
  private static func limit(
    _ parts: UnsafeBufferPointer<Part>, _ ranked: UnsafePointer<BinaryLogits.Mass>,
    ofHead head: Int, group: Int, _ weight: Double
  ) -> Float {
    var maximum = -Float.infinity
    var sum: Float = 0
    for index in parts.indices where parts[index].kvHead == head / group {
      let part = ranked[index * group + head % group]
      guard part.maximum > -.infinity else { continue }
      let larger = max(maximum, part.maximum)
      sum = sum * exp2(maximum - larger) + part.sum * exp2(part.maximum - larger)
      maximum = larger
    }
    return sum > 0 ? maximum + log2(sum * Float(weight)) : -.infinity
  }
}
