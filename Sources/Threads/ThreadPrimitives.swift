#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A POSIX mutex at a fixed address.
final class Lock: @unchecked Sendable {  // the mutex is the synchronisation
  fileprivate let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() {
    mutex.initialize(to: pthread_mutex_t())
    let code = pthread_mutex_init(mutex, nil)
    precondition(code == 0, "Lock: pthread_mutex_init gave \(code)")
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
}

/// A POSIX condition variable: threads wait for it while they hold a lock, another wakes them all.
final class Signal: @unchecked Sendable {  // the condition variable is the synchronisation
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    condition.initialize(to: pthread_cond_t())
    let code = pthread_cond_init(condition, nil)
    precondition(code == 0, "Signal: pthread_cond_init gave \(code)")
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Releases the lock, sleeps, and holds the lock again on return. May wake spuriously.
  func wait(_ lock: Lock) { pthread_cond_wait(condition, lock.mutex) }
  func wakeAll() { pthread_cond_broadcast(condition) }
}

/// Which worker of which board the current thread is.
struct Membership {
  var board: ObjectIdentifier
  var worker: Int

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    let code = pthread_key_create(&key, nil)
    precondition(code == 0, "Membership: pthread_key_create gave \(code)")
    return key
  }()

  /// The membership that the innermost ``during(_:)`` of this thread set.
  static var current: Membership? {
    pthread_getspecific(key)?.assumingMemoryBound(to: Membership.self).pointee
  }

  /// Runs `body` with this membership, then restores the one before.
  func during(_ body: () -> Void) {
    let before = pthread_getspecific(Self.key)
    withUnsafePointer(to: self) { address in
      pthread_setspecific(Self.key, address)
      body()
    }
    pthread_setspecific(Self.key, before)
  }
}
