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
/// A job is open while `ticket` says that items remain. A worker takes an item by lowering the
/// ticket, and only then reads the job: as long as that item is unfinished the caller cannot return
/// and replace it. A late worker finds no items, or those of a later job, and both are fine; so the
/// caller never waits for a worker that has not started.
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

  /// The job's number in the upper 32 bits, its items not yet taken in the lower 32.
  private let ticket = Atomic<UInt64>(0)
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

  init() { job.initialize(to: Job(count: 0, body: { _, _ in })) }

  deinit {
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
    let number = (ticket.load(ordering: .relaxed) >> 32) &+ 1
    // Sequentially consistent with the sleepers' count: either this thread sees the sleeper, or it
    // sees the ticket.
    ticket.store(number << 32 | UInt64(next.count), ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      sleepLock.lock()
      workAppeared.wakeAll()
      sleepLock.unlock()
    }
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
        if watch({ hasNews }) { continue }
        sleepLock.lock()
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !hasNews { workAppeared.wait(sleepLock) }
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

  private var hasNews: Bool {
    UInt32(truncatingIfNeeded: ticket.load(ordering: .sequentiallyConsistent)) > 0
      || isClosed.load(ordering: .relaxed)
  }

  private func takeItems(as worker: Int) {
    var finished = 0
    var seen = ticket.load(ordering: .acquiring)
    while true {
      let remaining = Int(UInt32(truncatingIfNeeded: seen))
      if remaining == 0 { break }
      let (taken, current) = ticket.compareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
      guard taken else {
        seen = current
        continue
      }
      job.pointee.body(job.pointee.count - remaining, worker)
      finished += 1
      seen = ticket.load(ordering: .acquiring)
      // Reported before items of a later job are taken: that job can only open once these are.
    }
    if finished > 0 { report(finished) }
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
