import Tensors

/// The smallest and largest value of each channel in each page of one KV head's keys.
struct PageBounds: Sendable {
  let pageSize: Int
  let width: Int
  /// Keys included so far.
  private(set) var count = 0
  /// Tokens that had left the cache by then.
  private var lost = 0
  /// (pages x width).
  private var minima: [Float] = []
  private var maxima: [Float] = []

  init(pageSize: Int, width: Int) {
    self.pageSize = pageSize
    self.width = width
  }

  var pageCount: Int { (count + pageSize - 1) / pageSize }

  /// Bytes of both bounds.
  var bytes: Int { (minima.count + maxima.count) * MemoryLayout<Float>.size }

  /// Includes the keys that are not included yet, or all of them anew if tokens have left since the
  /// last call.
  mutating func update(_ layer: LayerView, kvHead: Int) {
    let head = layer.heads[kvHead]
    let lost = head.position(ofSlot: head.count - 1) + 1 - head.count
    if lost != self.lost {
      self.lost = lost
      count = 0
      minima.removeAll(keepingCapacity: true)
      maxima.removeAll(keepingCapacity: true)
    }
    let fresh = min(count, head.count)..<head.count
    let keys = head.keys(in: fresh)
    for token in fresh {
      let key = keys.row(token - fresh.lowerBound)
      if token % pageSize == 0 {
        for i in 0..<width {
          minima.append(key[i])
          maxima.append(key[i])
        }
      } else {
        let first = token / pageSize * width
        for i in 0..<width {
          minima[first + i] = min(minima[first + i], key[i])
          maxima[first + i] = max(maxima[first + i], key[i])
        }
      }
    }
    count = head.count
  }

  /// Σ_d max(q_d m_d, q_d M_d): no key of the page, as it was when it was included, has a larger
  /// product with the query. Where the cache rounds keys later, a rounded one may.
  func bound(_ layer: LayerView, head: Int, page: Int) -> Float {
    let query = layer.query(head: head, at: layer.newestQuery)
    let low = minima.span.extracting(page * width..<(page + 1) * width)
    let high = maxima.span.extracting(page * width..<(page + 1) * width)
    // Four sums, so that one addition need not wait for the one before.
    var (a, b, c, d): (Float, Float, Float, Float) = (0, 0, 0, 0)
    var i = 0
    while i + 4 <= width {
      a += max(query[i] * low[i], query[i] * high[i])
      b += max(query[i + 1] * low[i + 1], query[i + 1] * high[i + 1])
      c += max(query[i + 2] * low[i + 2], query[i + 2] * high[i + 2])
      d += max(query[i + 3] * low[i + 3], query[i + 3] * high[i + 3])
      i += 4
    }
    while i < width {
      a += max(query[i] * low[i], query[i] * high[i])
      i += 1
    }
    return (a + b) + (c + d)
  }
}
