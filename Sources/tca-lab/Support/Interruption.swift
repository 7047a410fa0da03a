import Dispatch
import Foundation
import Synchronization

/// Notes SIGINT and SIGTERM, so that a run can stop between two steps. A second signal ends the program at once.
final class Interruption {
  private let received = ReceivedSignal()
  private var sources: [any DispatchSourceSignal] = []

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [received] in received.note(number) }
      source.resume()
      sources.append(source)
    }
  }

  var isRequested: Bool { received.number.load(ordering: .relaxed) != 0 }

  /// 130 or 143.
  var status: ExitStatus {
    received.number.load(ordering: .relaxed) == SIGTERM ? .terminated : .interrupted
  }
}

/// The first signal that came; 0 before it.
private final class ReceivedSignal: Sendable {
  let number = Atomic<Int32>(0)

  func note(_ signal: Int32) {
    if number.exchange(signal, ordering: .relaxed) != 0 { Foundation.exit(128 + signal) }
    Log.line("stopping after the step in progress; once more to stop at once")
  }
}
