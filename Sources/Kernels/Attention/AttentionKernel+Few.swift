import Foundation
import Tensors

extension AttentionKernel {
  /// Slots of the cache that one piece of work covers.
  static let partSlots = 512

  /// A few queries, one after the other: each KV head's rows are read once for all query heads of its group, split
  /// over the workers by (KV head, range of slots or of cold pages); the parts are merged by their maxima and sums.
  func attendFew(
    _ step: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    selections: [Selection], counts headCounts: inout [PairCounts]
  ) {
    let shape = step.shape
    let group = shape.queryHeadsPerKVHead
    for row in step.rows {
      let query = step.firstPosition + row
      let parts = Self.parts(heads, before: query + 1)
      let partials = partialBuffer.reserve(parts.count * group * (shape.headDimension + 2))
      while partScratch.count < workers.threadCount { partScratch.append(FloatBuffer()) }
      var counts = [PairCounts](repeating: PairCounts(), count: parts.count * group)
      counts.withUnsafeMutableBufferPointer { counts in
        nonisolated(unsafe) let counts = counts
        nonisolated(unsafe) let heads = heads
        nonisolated(unsafe) let partials = partials
        nonisolated(unsafe) let scratch = partScratch
        workers.run(count: parts.count) { item, worker in
          let part = parts[item]
          let firstHead = part.kvHead * group
          let queries =
            buffers.queries + (row * shape.queryHeads + firstHead) * shape.headDimension
          let partials = partials + item * group * (shape.headDimension + 2)
          let selections = selections[firstHead..<firstHead + group]
          let counts = counts.baseAddress! + item * group
          switch part.place {
          case .slots(let slots):
            SingleQueryPass(
              cache: heads[part.kvHead], slots: slots, query: query, group: group,
              queries: queries, partials: partials, scratch: scratch[worker]
            ).run(selections: selections, counts: counts)
          case .pages(let pages, let tier):
            ColdPass(
              tier: tier, pages: pages, query: query, group: group, queries: queries,
              partials: partials, scratch: scratch[worker]
            ).run(selections: selections, counts: counts)
          }
        }
      }
      for (index, count) in counts.enumerated() {
        headCounts[parts[index / group].kvHead * group + index % group] += count
      }
      for head in 0..<shape.queryHeads {
        Self.merge(parts, partials, into: head, row: row, step: step, buffers: buffers)
      }
    }
  }

  private struct Part {
    enum Place {
      case slots(Range<Int>)
      case pages(Range<Int>, of: ColdTier)
    }

    var kvHead: Int
    var place: Place
  }

  /// The slots before `position` of every cache and its cold pages, cut into parts.
  private static func parts(_ heads: [KVHead], before position: Int) -> [Part] {
    heads.indices.flatMap { kvHead in
      let end = heads[kvHead].slot(atOrAfter: position)
      var parts = stride(from: 0, to: end, by: partSlots).map {
        Part(kvHead: kvHead, place: .slots($0..<min($0 + partSlots, end)))
      }
      if let tier = heads[kvHead].cold {
        let size = ColdPass.partPages
        parts += stride(from: 0, to: tier.pageCount, by: size).map {
          Part(kvHead: kvHead, place: .pages($0..<min($0 + size, tier.pageCount), of: tier))
        }
      }
      return parts
    }
  }

  /// Adds up the parts of a head: each has its maximum, its sum and its weighted values, one after the other.
  private static func merge(
    _ parts: [Part], _ partials: UnsafePointer<Float>, into head: Int, row: Int,
    step: AttentionStep, buffers: AttentionBuffers
  ) {
    let shape = step.shape
    let group = shape.queryHeadsPerKVHead
    let d = shape.headDimension
    let target = buffers.output + (row * shape.queryHeads + head) * d
    target.update(repeating: 0, count: d)
    let own = parts.indices.filter { parts[$0].kvHead == shape.kvHead(of: head) }
      .map { partials + ($0 * group + head % group) * (d + 2) }
    let maximum = own.map { $0[0] }.max() ?? -.infinity
    var sum = 0.0
    for part in own where part[0] > -.infinity {
      let weight = exp2(part[0] - maximum)
      sum += Double(part[1] * weight)
      for i in 0..<d { target[i] += part[2 + i] * weight }
    }
    let scale = sum > 0 ? Float(1 / sum) : 0
    for i in 0..<d { target[i] *= scale }
    buffers.logSumExp[head * step.tokens + row] =
      sum > 0 ? Float((Double(maximum) + log2(sum)) * 0.693_147_180_559_945_3) : -.infinity
  }
}
