import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The threads of the program: one pool, made from `--threads`, shared by every kernel.
///
/// A run consists of numbered items; each worker takes its share of them and then what is left of the
/// others'. The calling thread is worker 0 and takes items too. Between runs a worker polls for ``JobBoard/watching`` and then sleeps, so
/// that a decode step of some 200 short runs pays about a microsecond for each, and an idle pool
/// costs nothing.
///
/// A result must not depend on the number of threads: an item writes what no other item writes, and
/// does it in one order.
public final class WorkerPool: Sendable {
  /// Workers, counting the calling thread.
  public let threadCount: Int
  private let board: JobBoard
  private let threads: [Thread]

  /// A pool of one worker, the calling thread itself.
  public init() {
    threadCount = 1
    board = JobBoard(workers: 1)
    threads = []
  }

  /// A pool of `threadCount` workers (1…1,024): the calling thread and `threadCount - 1` new ones.
  ///
  /// Each new thread calls `prepare` once before it takes items. Throws if the number is outside its range or the
  /// system refuses a thread.
  public init(
    threadCount: Int, preparingEachWith prepare: @escaping @Sendable () -> Void
  ) throws(WorkerPoolError) {
    guard 1...1024 ~= threadCount else { throw .threadCountOutOfRange(threadCount) }
    let board = JobBoard(workers: threadCount)
    var threads: [Thread] = []
    for worker in 1..<max(threadCount, 1) {
      do {
        threads.append(try Thread(worker: worker, board: board, prepare: prepare))
      } catch {
        board.close()
        for thread in threads { thread.join() }
        throw error
      }
    }
    self.threadCount = threadCount
    self.board = board
    self.threads = threads
  }

  deinit {
    board.close()
    for thread in threads { thread.join() }
  }

  /// Calls `body` once for every item in `0..<count`, on all workers at once, and returns when all
  /// are done.
  ///
  /// - Each worker takes a share of neighbouring items in ascending order, then those that the others
  ///   have not come to: put the long ones first.
  /// - `worker` is in `0..<threadCount`, and no two calls with the same worker overlap: it may
  ///   index scratch.
  /// - A call from inside a `body` of the same pool runs its items one after the other on that
  ///   worker. Calls from several threads take turns.
  /// - `body` must be safe to call from several threads.
  public func run(count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
    guard count > 0 else { return }
    if let worker = board.workerOfThisThread {
      for item in 0..<count { body(item, worker) }
    } else {
      board.run(count: count, isShared: threadCount > 1, body)
    }
  }

  /// Calls `body` for consecutive ranges that together are `0..<total`.
  ///
  /// The ranges follow from `total` and `minimumChunk` alone, never from the number of threads: all
  /// but the last have the same length, a multiple of `minimumChunk`, and there are at most 64.
  public func runRanges(
    total: Int, minimumChunk: Int, _ body: (_ range: Range<Int>, _ worker: Int) -> Void
  ) {
    precondition(minimumChunk > 0, "WorkerPool.runRanges: minimumChunk \(minimumChunk)")
    guard total > 0 else { return }
    let chunks = (total - 1) / minimumChunk + 1
    let length = ((chunks - 1) / 64 + 1) * minimumChunk
    run(count: (total - 1) / length + 1) { item, worker in
      body(item * length..<min(total, (item + 1) * length), worker)
    }
  }
}

/// Why a pool could not be made.
public enum WorkerPoolError: Error, Equatable, CustomStringConvertible {
  case threadCountOutOfRange(Int)
  case threadRefused(worker: Int, code: Int32)

  public var description: String {
    switch self {
    case .threadCountOutOfRange(let count):
      """
      the number of threads is "\(count)"; allowed are 1 to 1024 (a thread for each core is best)
      """
    case .threadRefused(let worker, let code):
      "the system refused thread \(worker + 1) (\(String(cString: strerror(code)))); "
        + "ask for fewer threads or raise the limit on processes"
    }
  }
}

extension WorkerPool {
  /// One POSIX thread that works at a board until it closes.
  fileprivate struct Thread: @unchecked Sendable {  // joined once, by the pool's deinit
    private let handle: pthread_t

    init(
      worker: Int, board: JobBoard, prepare: @escaping @Sendable () -> Void
    ) throws(WorkerPoolError) {
      let start = Unmanaged.passRetained(Start(worker: worker, board: board, prepare: prepare))
      #if canImport(Darwin)
        var handle: pthread_t?
      #else
        var handle = pthread_t()
      #endif
      let code = pthread_create(
        &handle, nil,
        { argument in
          #if canImport(Darwin)
            let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
          #else
            guard let argument else { return nil }
            let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
          #endif
          start.prepare()
          start.board.work(as: start.worker)
          return nil
        }, start.toOpaque())
      guard code == 0 else {
        start.release()
        throw .threadRefused(worker: worker, code: code)
      }
      #if canImport(Darwin)
        guard let handle else { throw .threadRefused(worker: worker, code: EAGAIN) }
      #endif
      self.handle = handle
    }

    func join() { pthread_join(handle, nil) }
  }

  private final class Start {
    let worker: Int
    let board: JobBoard
    let prepare: @Sendable () -> Void

    init(worker: Int, board: JobBoard, prepare: @escaping @Sendable () -> Void) {
      self.worker = worker
      self.board = board
      self.prepare = prepare
    }
  }
}
