import Tensors

/// What the workers of a step read, as bare memory: reference counts of shared arrays would make
/// workers wait for each other, and a decode step is too short for that.
enum BareMemory {
  /// The exactly held tokens of one KV head.
  struct Cache {
    let headDimension: Int
    /// The attention scale.
    let scale: Double
    let keys: TokenMemory
    let values: TokenMemory
    /// By slot, ascending.
    let positions: UnsafeBufferPointer<Int32>

    /// The first slot whose position is at least `position`; the number of slots if none.
    func slot(atOrAfter position: Int) -> Int {
      positions.indices.bisected { Int(positions[$0]) >= position }
    }
  }

  /// A ``Selection``.
  struct Shown {
    let runs: UnsafeBufferPointer<Range<Int>>
    let window: LocalWindow

    /// The first run that ends after `position`; the number of runs if none.
    func firstRun(endingAfter position: Int) -> Int {
      runs.indices.bisected { runs[$0].upperBound > position }
    }
  }

  /// Calls `body` with the memory of every cache and of every selection, valid until it returns.
  static func of(
    _ heads: [KVHead], _ selections: [Selection],
    _ body: (UnsafeBufferPointer<Cache>, UnsafeBufferPointer<Shown>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Cache.self, capacity: heads.count) { caches in
      withUnsafeTemporaryAllocation(of: Shown.self, capacity: selections.count) { shown in
        func openSelections(from index: Int) {
          guard index < selections.count else {
            return body(UnsafeBufferPointer(caches), UnsafeBufferPointer(shown))
          }
          selections[index].runs.withUnsafeBufferPointer { runs in
            shown.initializeElement(
              at: index, to: Shown(runs: runs, window: selections[index].window))
            openSelections(from: index + 1)
          }
        }
        func openHeads(from index: Int) {
          guard index < heads.count else { return openSelections(from: 0) }
          open(heads[index]) { cache in
            caches.initializeElement(at: index, to: cache)
            openHeads(from: index + 1)
          }
        }
        openHeads(from: 0)
      }
    }
  }

  private static func open(_ head: KVHead, _ body: (Cache) -> Void) {
    head.withMemory { keys, values in
      head.positions.withUnsafeBufferPointer { positions in
        body(
          Cache(
            headDimension: head.headDimension, scale: head.scale, keys: keys, values: values,
            positions: positions))
      }
    }
  }
}
