import Synchronization

extension WorkerPool {
  /// The results of `count` items, in their order, worked out on all threads.
  package func map<Result: Sendable>(count: Int, _ body: (Int) -> Result) -> [Result] {
    let results = Mutex([Result?](repeating: nil, count: count))
    run(count: count) { item, _ in
      let result = body(item)
      results.withLock { $0[item] = result }
    }
    return results.withLock { $0.compactMap { $0 } }
  }

  /// The sum of the results.
  package func sum(count: Int, _ body: (Int) -> Int) -> Int {
    map(count: count, body).reduce(0, +)
  }
}
