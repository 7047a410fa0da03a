import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where the threads of a ``WorkerPool`` meet: the current job, the items still to take and those
/// still running.
///
/// Each worker has a share of a job's items, neighbours, and a ticket that says how many of them
/// remain; when it is through with them it takes what remains of the others'. So with many threads
/// each polls and changes memory of its own, which takes no time from the others. An item is
/// taken by lowering a ticket, and only then is the job read: as long as that item is unfinished the
/// caller cannot return and replace it. A late worker finds no items, or those of a later job, and
/// both are fine; so the caller never waits for a worker that has not started.
///
/// `@unchecked`: the job is written by the caller that holds `turn` while no item is open, and read
/// after taking one; everything else is atomic or guarded by `sleepLock`.
final class JobBoard: @unchecked Sendable {
  /// How long a thread polls before it sleeps.
  static let watching = Duration.microseconds(80)

  private struct Job {
    var count: Int
    var body: (_ item: Int, _ worker: Int) -> Void
  }

  private let workers: Int
  /// By worker: the job's number in the upper 32 bits, the items of the worker's share that are not
  /// yet taken in the lower 32.
  private let tickets: Tickets
  /// Of the job that was opened last.
  private var number: UInt64 = 0
  /// Items of the current job that are not finished.
  private let unfinished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let callerSleeps = Atomic<Bool>(false)
  private let isClosed = Atomic<Bool>(false)
  private let job = UnsafeMutablePointer<Job>.allocate(capacity: 1)
  private let turn = Lock()
  private let sleepLock = Lock()
  private let workAppeared = Signal()
  private let workFinished = Signal()

  init(workers: Int) {
    self.workers = workers
    tickets = Tickets(workers)
    job.initialize(to: Job(count: 0, body: { _, _ in }))
  }

  deinit {
    tickets.deallocate()
    job.deinitialize(count: 1)
    job.deallocate()
  }

  // MARK: The caller

  /// The number of the worker that this thread is, or nil if it is not one of this board's.
  var workerOfThisThread: Int? {
    guard let membership = Membership.current, membership.board == ObjectIdentifier(self) else {
      return nil
    }
    return membership.worker
  }

  /// Runs a job to its end with the calling thread as worker 0. With `isShared` false it does all
  /// of it.
  func run(count: Int, isShared: Bool, _ body: (_ item: Int, _ worker: Int) -> Void) {
    precondition(count <= UInt32.max, "WorkerPool.run: \(count) items")
    turn.lock()
    defer { turn.unlock() }
    Membership(board: ObjectIdentifier(self), worker: 0).during {
      guard isShared && count > 1 else {
        for item in 0..<count { body(item, 0) }
        return
      }
      withoutActuallyEscaping(body) { body in
        open(Job(count: count, body: body))
        takeItems(as: 0)
        waitUntilFinished()
        job.pointee.body = { _, _ in }
      }
    }
  }

  private func open(_ next: Job) {
    job.pointee = next
    unfinished.store(next.count, ordering: .relaxed)
    number = (number &+ 1) & 0xFFFF_FFFF
    for worker in 0..<min(workers, next.count) {
      let share = share(of: worker, ofItems: next.count)
      tickets[worker].store(number << 32 | UInt64(share.count), ordering: .releasing)
    }
    // Sequentially consistent with the sleepers' count: either this thread sees the sleeper, or it
    // sees its ticket.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      sleepLock.lock()
      workAppeared.wakeAll()
      sleepLock.unlock()
    }
  }

  private func share(of worker: Int, ofItems count: Int) -> Range<Int> {
    let sharing = min(workers, count)
    return worker * count / sharing..<(worker + 1) * count / sharing
  }

  private func waitUntilFinished() {
    if watch({ unfinished.load(ordering: .acquiring) == 0 }) { return }
    sleepLock.lock()
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    while unfinished.load(ordering: .sequentiallyConsistent) != 0 { workFinished.wait(sleepLock) }
    callerSleeps.store(false, ordering: .relaxed)
    sleepLock.unlock()
  }

  // MARK: The workers

  /// The loop of a worker's thread, until ``close()``.
  func work(as worker: Int) {
    Membership(board: ObjectIdentifier(self), worker: worker).during {
      while !isClosed.load(ordering: .acquiring) {
        takeItems(as: worker)
        if watch({ hasNews(for: worker) }) { continue }
        sleepLock.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        while !hasNews(for: worker) { workAppeared.wait(sleepLock) }
        sleepers.subtract(1, ordering: .relaxed)
        sleepLock.unlock()
      }
    }
  }

  /// Ends every worker's loop. The pool calls it once, when no run is under way.
  func close() {
    sleepLock.lock()
    isClosed.store(true, ordering: .sequentiallyConsistent)
    workAppeared.wakeAll()
    sleepLock.unlock()
  }

  private func hasNews(for worker: Int) -> Bool {
    UInt32(truncatingIfNeeded: tickets[worker].load(ordering: .sequentiallyConsistent)) > 0
      || isClosed.load(ordering: .relaxed)
  }

  /// Takes the worker's own items, then the others'.
  private func takeItems(as worker: Int) {
    // All of one job: a later one can only open once these are reported.
    var finished = 0
    for offset in 0..<workers {
      let owner = worker + offset < workers ? worker + offset : worker + offset - workers
      finished += takeItems(of: owner, as: worker)
    }
    if finished > 0 { report(finished) }
  }

  /// - Returns: how many.
  private func takeItems(of owner: Int, as worker: Int) -> Int {
    guard let first = takeItem(of: owner) else { return 0 }
    // Read once: each reading of the body counts a reference, in memory that all workers share.
    let body = job.pointee.body
    let end = share(of: owner, ofItems: job.pointee.count).upperBound
    var remaining = first
    var finished = 0
    while true {
      body(end - remaining, worker)
      finished += 1
      guard let next = takeItem(of: owner) else { return finished }
      remaining = next
    }
  }

  /// Takes the next item of a worker's share; nil if none remains.
  ///
  /// - Returns: how many items remained before.
  private func takeItem(of owner: Int) -> Int? {
    var seen = tickets[owner].load(ordering: .acquiring)
    while true {
      let remaining = Int(UInt32(truncatingIfNeeded: seen))
      if remaining == 0 { return nil }
      let (taken, current) = tickets[owner].compareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
      if taken { return remaining }
      seen = current
    }
  }

  private func report(_ items: Int) {
    let left = unfinished.subtract(items, ordering: .sequentiallyConsistent).newValue
    if left == 0 && callerSleeps.load(ordering: .sequentiallyConsistent) {
      sleepLock.lock()
      workFinished.wakeAll()
      sleepLock.unlock()
    }
  }

  /// Polls a condition until it holds, for ``watching`` at most; returns its last value.
  ///
  /// Reading the clock takes about 50 ns, which keeps pollers from contending for the cache line.
  private func watch(_ isTrue: () -> Bool) -> Bool {
    if isTrue() { return true }
    let end = ContinuousClock.now + Self.watching
    while ContinuousClock.now < end {
      if isTrue() { return true }
    }
    return isTrue()
  }
}

/// Counters, each in cache lines of its own; processors fetch them in pairs.
private struct Tickets: @unchecked Sendable {  // atomics, at an address that stays
  private static let bytesApart = 128
  private let memory: UnsafeMutableRawPointer
  private let count: Int

  init(_ count: Int) {
    self.count = count
    memory = .allocate(byteCount: count * Self.bytesApart, alignment: Self.bytesApart)
    for index in 0..<count { address(of: index).initialize(to: Atomic(0)) }
  }

  func deallocate() {
    for index in 0..<count { address(of: index).deinitialize(count: 1) }
    memory.deallocate()
  }

  private func address(of index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (memory + index * Self.bytesApart).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  subscript(index: Int) -> Atomic<UInt64> {
    unsafeAddress { UnsafePointer(address(of: index)) }
  }
}
