import Foundation
import Tensors

extension AttentionKernel {
  /// Slots of the cache that one piece of work covers.
  static let splitSlots = 512

  /// One or two queries: each KV head's rows are read once for all query heads of its group, split over the workers
  /// by (KV head, range of slots); the parts are merged by their maxima and sums.
  func attendFew(
    _ step: AttentionStep, _ buffers: AttentionBuffers, heads: [KVHead],
    selections: [Selection], counts headCounts: inout [PairCounts]
  ) {
    let shape = step.shape
    let group = shape.queryHeadsPerKVHead
    let d = shape.headDimension
    let width = d + 2
    for row in step.rows {
      let query = step.firstPosition + row
      let ends = heads.map { $0.slot(atOrAfter: query + 1) }
      let parts = ends.map { max(1, ($0 + Self.splitSlots - 1) / Self.splitSlots) }
      let items = parts.enumerated().flatMap { kvHead, parts in
        (0..<parts).map { (kvHead: kvHead, part: $0) }
      }
      let scratchNeeded = items.count * group * (width + Self.splitSlots)
      if decodeScratch.count < scratchNeeded {
        decodeScratch = [Float](repeating: 0, count: scratchNeeded)
      }
      var itemCounts = [PairCounts](repeating: PairCounts(), count: items.count * group)
      decodeScratch.withUnsafeMutableBufferPointer { scratch in
        itemCounts.withUnsafeMutableBufferPointer { itemCounts in
          nonisolated(unsafe) let scratch = scratch
          nonisolated(unsafe) let itemCounts = itemCounts
          nonisolated(unsafe) let heads = heads
          workers.run(count: items.count) { item, _ in
            let kvHead = items[item].kvHead
            let begin = items[item].part * Self.splitSlots
            let end = min(begin + Self.splitSlots, ends[kvHead])
            let base = scratch.baseAddress! + item * group * (width + Self.splitSlots)
            SingleQueryPass(
              cache: heads[kvHead], slots: begin..<end, query: query,
              queries: buffers.queries + (row * shape.queryHeads + kvHead * group) * d,
              selections: selections[shape.queryHeads(of: kvHead)],
              partials: base, logits: base + group * width
            ).run(counts: itemCounts.baseAddress! + item * group)
          }
          Self.merge(
            items: items, scratch: scratch.baseAddress!, stride: group * (width + Self.splitSlots),
            step: step, row: row, buffers: buffers)
        }
      }
      for (index, count) in itemCounts.enumerated() {
        headCounts[items[index / group].kvHead * group + index % group] += count
      }
    }
  }

  /// Adds up the parts of each head: (maximum, sum, weighted values) after one another.
  private static func merge(
    items: [(kvHead: Int, part: Int)], scratch: UnsafeMutablePointer<Float>, stride: Int,
    step: AttentionStep, row: Int, buffers: AttentionBuffers
  ) {
    let shape = step.shape
    let group = shape.queryHeadsPerKVHead
    let d = shape.headDimension
    for head in 0..<shape.queryHeads {
      let offset = head % group * (d + 2)
      let parts = items.indices.filter { items[$0].kvHead == shape.kvHead(of: head) }
        .map { scratch + $0 * stride + offset }
      let maximum = parts.map { $0[0] }.max() ?? -.infinity
      let target = buffers.output + row * shape.queryHeads * d + head * d
      for i in 0..<d { target[i] = 0 }
      var sum = 0.0
      for part in parts where part[0] > -.infinity {
        let weight = exp2(part[0] - maximum)
        sum += Double(part[1] * weight)
        for i in 0..<d { target[i] += part[2 + i] * weight }
      }
      let scale = Float(1 / sum)
      for i in 0..<d { target[i] *= scale }
      buffers.logSumExp[head * step.tokens + row] = Float(
        (Double(maximum) + log2(sum)) * 0.693_147_180_559_945_3)
    }
  }
}

/// One query position of one group's query heads against a range of slots of their KV head.
private struct SingleQueryPass {
  let cache: KVHead
  let slots: Range<Int>
  let query: Int
  /// (query heads of the group x d)
  let queries: UnsafePointer<Float>
  let selections: ArraySlice<Selection>
  /// Per query head: maximum, sum, and d weighted values.
  let partials: UnsafeMutablePointer<Float>
  /// (query heads x splitSlots)
  let logits: UnsafeMutablePointer<Float>

  /// Writes one count for each query head of the group.
  func run(counts: UnsafeMutablePointer<PairCounts>) {
    let d = cache.headDimension
    let group = selections.count
    let first = cache.firstRow + slots.lowerBound
    cache.keyStorage.withUnsafeBufferPointer { keys in
      let keys = keys.baseAddress! + first * d
      for index in 0..<group {
        scores(keys, index: index, dimension: d)
        counts[index] = PairCounts(
          nominal: hide(selections[selections.startIndex + index], index: index),
          computed: slots.count)
      }
    }
    cache.valueStorage.withUnsafeBufferPointer { values in
      let values = values.baseAddress! + first * d
      for index in 0..<group { accumulate(values, index: index, dimension: d) }
    }
  }

  /// Logits in units of log 2.
  private func scores(_ keys: UnsafePointer<Float>, index: Int, dimension d: Int) {
    let query = queries + index * d
    let line = logits + index * AttentionKernel.splitSlots
    let scale = 1.442_695_04 / Float(d).squareRoot()
    for slot in 0..<slots.count {
      let key = keys + slot * d
      var total = SIMD16<Float>.zero
      var i = 0
      while i &+ 16 <= d {
        total.addProduct(loadVector(query + i), loadVector(key + i))
        i &+= 16
      }
      var sum = total.sum()
      while i < d {
        sum += query[i] * key[i]
        i &+= 1
      }
      line[slot] = sum * scale
    }
  }

  /// Sets what the selection does not show to −infinity and counts the rest.
  private func hide(_ selection: Selection, index: Int) -> Int {
    let start = selection.window.start(forQuery: query)
    guard slots.count > 0, cache.position(ofSlot: slots.lowerBound) < start else {
      return slots.count
    }
    let line = logits + index * AttentionKernel.splitSlots
    let runs = selection.runs
    var shown = 0
    var next = 0
    return cache.positionStorage.withUnsafeBufferPointer { positions in
      let positions = positions.baseAddress! + cache.firstRow + slots.lowerBound
      next = Self.firstRun(in: runs, endingAfter: Int(positions[0]))
      for slot in 0..<slots.count {
        let position = Int(positions[slot])
        if position >= start {
          shown += slots.count - slot
          break
        }
        while next < runs.count, runs[next].upperBound <= position { next += 1 }
        if next < runs.count, runs[next].lowerBound <= position {
          shown += 1
        } else {
          line[slot] = -.infinity
        }
      }
      return shown
    }
  }

  private static func firstRun(in runs: [Range<Int>], endingAfter position: Int) -> Int {
    var low = 0
    var high = runs.count
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].upperBound <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func accumulate(_ values: UnsafePointer<Float>, index: Int, dimension d: Int) {
    let line = logits + index * AttentionKernel.splitSlots
    let partial = partials + index * (d + 2)
    let weighted = partial + 2
    for i in 0..<d { weighted[i] = 0 }
    var maximum = -Float.infinity
    for slot in 0..<slots.count where line[slot] > maximum { maximum = line[slot] }
    partial[0] = maximum
    partial[1] = 0
    guard maximum > -.infinity else { return }
    var sum: Float = 0
    var slot = 0
    let shift = SIMD16<Float>(repeating: maximum)
    while slot < slots.count {
      let lanes = min(16, slots.count - slot)
      var block = SIMD16<Float>(repeating: -.infinity)
      if lanes == 16 {
        block = loadVector(line + slot)
      } else {
        for lane in 0..<lanes { block[lane] = line[slot + lane] }
      }
      let weights = vectorExp2(block - shift)
      sum += weights.sum()
      for lane in 0..<lanes where weights[lane] > 0 {
        let weight = SIMD16<Float>(repeating: weights[lane])
        let value = values + (slot + lane) * d
        var i = 0
        while i &+ 16 <= d {
          storeVector(
            loadVector(weighted + i).addingProduct(weight, loadVector(value + i)),
            at: weighted + i)
          i &+= 16
        }
        while i < d {
          weighted[i] += weights[lane] * value[i]
          i &+= 1
        }
      }
      slot += lanes
    }
    partial[1] = sum
  }
}
