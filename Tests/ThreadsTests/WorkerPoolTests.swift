import Foundation
import Synchronization
import Testing
import Threads

@Suite("Worker pool")
struct WorkerPoolTests {
  @Test("Every item runs once, on a worker that exists", arguments: 1...8)
  func everyItemOnce(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    #expect(pool.threadCount == threads)
    for count in [0, 1, 2, threads, 7, 1000] {
      let calls = Counts(count)
      pool.run(count: count) { item, worker in
        #expect(0..<threads ~= worker)
        calls.add(item)
      }
      #expect(calls.values == [Int](repeating: 1, count: count))
    }
  }

  @Test("No two items run on one worker at the same time", arguments: [2, 3, 8])
  func workersDoNotOverlap(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    let inside = Counts(threads)
    for _ in 0..<20 {
      pool.run(count: 50) { _, worker in
        #expect(inside.add(worker) == 1)
        spin(2000)
        inside.add(worker, -1)
      }
    }
  }

  @Test("Thousands of short runs neither lose nor repeat an item", arguments: [1, 2, 3, 8])
  func shortRuns(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    let calls = Counts(3)
    for run in 0..<20_000 {
      pool.run(count: 1 + run % 3) { item, _ in calls.add(item) }
    }
    #expect(calls.values == [20_000, 13_333, 6_666])
  }

  @Test("What the items wrote is seen after the run, also when workers had gone to sleep")
  func resultsAreVisible() throws {
    let pool = try WorkerPool(threadCount: 4)
    var squares = [Int](repeating: 0, count: 100)
    for round in 0..<30 {
      if round % 10 == 9 { usleep(1000) }  // longer than workers watch for news
      squares.withUnsafeMutableBufferPointer { squares in
        nonisolated(unsafe) let squares = squares
        pool.run(count: 100) { item, _ in squares[item] = item * item + round }
      }
      #expect(squares == (0..<100).map { $0 * $0 + round })
    }
  }

  @Test("A caller that waits for a long item is woken", .timeLimit(.minutes(30)))
  func longItems() throws {
    let pool = try WorkerPool(threadCount: 2)
    for _ in 0..<20 {
      let begun = Atomic<Int>(0)
      let finished = Atomic<Int>(0)
      pool.run(count: 2) { _, worker in
        begun.add(1, ordering: .sequentiallyConsistent)
        // Each worker has one of the two items; the other thread's lasts longer than a caller watches.
        while begun.load(ordering: .sequentiallyConsistent) < 2 { sched_yield() }
        if worker != 0 { usleep(2000) }
        finished.add(1, ordering: .sequentiallyConsistent)
      }
      #expect(finished.load(ordering: .sequentiallyConsistent) == 2)
    }
  }

  @Test("A run inside an item does all its items on that worker", arguments: [1, 2, 4])
  func nestedRuns(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    let calls = Counts(200)
    pool.run(count: 20) { item, worker in
      pool.run(count: 10) { inner, innerWorker in
        #expect(innerWorker == worker)
        calls.add(item * 10 + inner)
      }
    }
    #expect(calls.values == [Int](repeating: 1, count: 200))
  }

  @Test("A pool may run inside an item of another one")
  func twoPools() throws {
    let outer = try WorkerPool(threadCount: 2)
    let inner = try WorkerPool(threadCount: 3)
    let calls = Counts(40)
    outer.run(count: 4) { item, _ in
      inner.run(count: 10) { index, _ in calls.add(item * 10 + index) }
    }
    #expect(calls.values == [Int](repeating: 1, count: 40))
  }

  @Test("Callers from several threads take turns")
  func severalCallers() async throws {
    let pool = try WorkerPool(threadCount: 3)
    let calls = Counts(6)
    await withTaskGroup(of: Void.self) { group in
      for caller in 0..<6 {
        group.addTask {
          for _ in 0..<300 { pool.run(count: 7) { _, _ in calls.add(caller) } }
        }
      }
    }
    #expect(calls.values == [Int](repeating: 2100, count: 6))
  }

  @Test("Ranges cover everything once and do not depend on the threads", arguments: [1, 2, 5])
  func ranges(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    for (total, minimum) in [(0, 1), (1, 5), (64, 1), (65, 1), (1000, 7), (4096, 32)] {
      let found = Mutex<[Range<Int>]>([])
      pool.runRanges(total: total, minimumChunk: minimum) { range, _ in
        found.withLock { $0.append(range) }
      }
      let ranges = found.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
      #expect(ranges.flatMap { Array($0) } == Array(0..<total))
      #expect(ranges.count <= 64)
      #expect(
        ranges.dropLast().allSatisfy { $0.count % minimum == 0 && $0.count == ranges[0].count })
    }
  }

  @Test("Numbers of threads outside 1 to 1024 are refused", arguments: [0, -1, 1025])
  func refusedCounts(threads: Int) {
    #expect(throws: WorkerPoolError.threadCountOutOfRange(threads)) {
      try WorkerPool(threadCount: threads)
    }
  }

  @Test("Pools come and go, idle or not")
  func lifetimes() throws {
    for round in 0..<50 {
      let pool = try WorkerPool(threadCount: 1 + round % 8)
      if round % 2 == 0 { pool.run(count: 5) { _, _ in } }
    }
  }
}

/// Counters that any thread may change.
private final class Counts: Sendable {
  private let counts: Mutex<[Int]>

  init(_ count: Int) { counts = Mutex([Int](repeating: 0, count: count)) }

  @discardableResult
  func add(_ index: Int, _ amount: Int = 1) -> Int {
    counts.withLock {
      $0[index] += amount
      return $0[index]
    }
  }

  var values: [Int] { counts.withLock { $0 } }
}

/// Some microseconds of work that cannot be left out.
private func spin(_ rounds: UInt64) {
  let end = DispatchTime.now().uptimeNanoseconds + rounds
  while DispatchTime.now().uptimeNanoseconds < end {}
}

extension WorkerPool {
  fileprivate convenience init(threadCount: Int) throws(WorkerPoolError) {
    try self.init(threadCount: threadCount, preparingEachWith: {})
  }
}
