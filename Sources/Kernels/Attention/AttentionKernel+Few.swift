import Foundation
import Tensors

extension AttentionKernel {
  /// Slots of the cache that one piece of work covers.
  static let partSlots = 512

  /// A few queries, one at a time: each KV head's rows are read once for all query heads of its
  /// group, split over the workers by (KV head, range of slots or of cold pages); the parts are
  /// merged by their maxima and sums.
  ///
  /// - Parameter exactAbove: where caches allow it, tokens with a larger share of a head's attention are read whole, others
  ///   coarsely; nil to read all whole.
  func attendFew(
    _ step: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    selections: [Selection], exactAbove: Double?, counts headCounts: inout [PairCounts]
  ) {
    // Numbers rather than the shape: copying it counts references, in memory that all threads write.
    let (queryHeads, tokens) = (step.shape.queryHeads, step.tokens)
    let d = step.shape.headDimension
    let group = step.shape.queryHeadsPerKVHead
    while partScratch.count < workers.threadCount { partScratch.append(FloatBuffer()) }
    BareMemory.of(heads, selections) { caches, shown in
      for row in step.rows {
        let query = step.firstPosition + row
        if let exactAbove, Self.canSkim(caches, heads, selections, query: query) {
          attendSkimming(
            step, row: row, buffers, heads: heads, caches: caches, exactAbove: exactAbove)
          for head in 0..<queryHeads {
            let seen = heads[head / group].count
            headCounts[head] += PairCounts(nominal: seen, computed: seen)
          }
          continue
        }
        let parts = Self.parts(heads, before: query + 1)
        let partials = partialBuffer.reserve(parts.count * group * (d + 2))
        var counts = [PairCounts](repeating: PairCounts(), count: parts.count * group)
        parts.withUnsafeBufferPointer { parts in
          counts.withUnsafeMutableBufferPointer { counts in
            nonisolated(unsafe) let parts = parts
            nonisolated(unsafe) let counts = counts
            nonisolated(unsafe) let heads = heads
            nonisolated(unsafe) let partials = partials
            nonisolated(unsafe) let scratch = partScratch
            workers.run(count: parts.count) { item, worker in
              let part = parts[item]
              let firstHead = part.kvHead * group
              let queries = buffers.queries + (row * queryHeads + firstHead) * d
              let partials = partials + item * group * (d + 2)
              let counts = counts.baseAddress! + item * group
              if part.isCold {
                ColdPass(
                  tier: heads[part.kvHead].cold!, pages: part.range, query: query, group: group,
                  queries: queries, partials: partials, scratch: scratch[worker]
                ).run(selections: selections[firstHead..<firstHead + group], counts: counts)
              } else {
                SingleQueryPass(
                  cache: caches[part.kvHead], slots: part.range, query: query, group: group,
                  queries: queries, partials: partials, scratch: scratch[worker]
                ).run(selections: shown.baseAddress! + firstHead, counts: counts)
              }
            }
          }
          for (index, count) in counts.enumerated() {
            headCounts[parts[index / group].kvHead * group + index % group] += count
          }
          for head in 0..<queryHeads {
            let sum = Self.merge(
              parts, partials, ofHead: head, group: group, headDimension: d,
              into: buffers.output(row: row, head: head, queryHeads: queryHeads, headDimension: d))
            buffers.logSumExp[head * tokens + row] = sum
          }
        }
      }
    }
  }

  /// A range of slots, or of pages of the cold tier, of a KV head.
  struct Part {
    var kvHead: Int
    var range: Range<Int>
    var isCold: Bool
  }

  /// The slots before `position` of every cache and its cold pages, cut into parts.
  ///
  /// - Parameter leads: by KV head, how many slots shorter the first part is.
  static func parts(
    _ heads: [KVHead], before position: Int, slots: Int = partSlots, leads: [Int]? = nil
  ) -> [Part] {
    var parts: [Part] = []
    func add(_ count: Int, of size: Int, isCold: Bool, _ kvHead: Int, lead: Int = 0) {
      for first in stride(from: -lead, to: count, by: size) {
        parts.append(
          Part(kvHead: kvHead, range: max(0, first)..<min(first + size, count), isCold: isCold))
      }
    }
    for (kvHead, head) in heads.enumerated() {
      add(
        head.slot(atOrAfter: position), of: slots, isCold: false, kvHead, lead: leads?[kvHead] ?? 0)
      if let tier = head.cold { add(tier.pageCount, of: ColdPass.partPages, isCold: true, kvHead) }
    }
    return parts
  }

  /// Adds up the parts of a head: each has its maximum, its sum and its weighted values, one after
  /// the other.
  ///
  /// - Returns: the log-sum-exp.
  static func merge(
    _ parts: UnsafeBufferPointer<Part>, _ partials: UnsafePointer<Float>, ofHead head: Int,
    group: Int, headDimension d: Int, into target: UnsafeMutablePointer<Float>
  ) -> Float {
    target.update(repeating: 0, count: d)
    let kvHead = head / group
    func forEachPart(_ body: (UnsafePointer<Float>) -> Void) {
      for index in parts.indices where parts[index].kvHead == kvHead {
        body(partials + (index * group + head % group) * (d + 2))
      }
    }
    var maximum = -Float.infinity
    forEachPart { maximum = max(maximum, $0[0]) }
    var sum = 0.0
    forEachPart { part in
      guard part[0] > -.infinity else { return }
      let weight = exp2(part[0] - maximum)
      sum += Double(part[1] * weight)
      for i in 0..<d { target[i] += part[2 + i] * weight }
    }
    let scale = sum > 0 ? Float(1 / sum) : 0
    for i in 0..<d { target[i] *= scale }
    return BinaryLogits.logSumExp(maximum: maximum, sum: sum)
  }
}
