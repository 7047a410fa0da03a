import Foundation

/// Times of one piece of work, run again and again.
struct Timing {
  /// True: CPU time of the process instead of time on the clock. On a machine that others use too, the only
  /// clock for one thread; wrong for several.
  nonisolated(unsafe) static var countsProcessorTime = false

  /// True: the fastest run instead of the median, for a machine that others use too.
  nonisolated(unsafe) static var takesFastest = false

  /// Seconds, ascending.
  let seconds: [Double]

  /// Runs `body` once unmeasured, then until both `repetitions` and `budget` are reached.
  init(repetitions: Int = 5, budget: Duration = .milliseconds(300), _ body: () -> Void) {
    body()
    var times: [Double] = []
    let continuous = ContinuousClock()
    let begin = continuous.now
    while times.count < repetitions || continuous.now - begin < budget {
      let processor = Self.processorSeconds
      let elapsed = continuous.measure(body) / .seconds(1)
      times.append(Self.countsProcessorTime ? Self.processorSeconds - processor : elapsed)
    }
    seconds = times.sorted()
  }

  private static var processorSeconds: Double {
    Double(clock()) / Double(CLOCKS_PER_SEC)
  }

  /// Seconds of one run: the median.
  var typical: Double { Self.takesFastest ? seconds[0] : seconds[seconds.count / 2] }

  /// Half the distance between the quartiles, as a fraction of the typical time.
  var spread: Double {
    (seconds[seconds.count * 3 / 4] - seconds[seconds.count / 4]) / 2 / typical
  }
}

extension Double {
  /// With a fixed number of decimals, right-aligned.
  func text(_ decimals: Int = 1, width: Int = 8) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let rounded = (abs(self) * scale).rounded()
    guard rounded < 1e15 else { return "\(self)" }
    let whole = Int(rounded) / Int(scale)
    let fraction = Int(rounded) % Int(scale)
    let digits = String(repeating: "0", count: decimals - "\(fraction)".count) + "\(fraction)"
    let text = (self < 0 ? "-" : "") + (decimals > 0 ? "\(whole).\(digits)" : "\(whole)")
    return text.padded(width, left: true)
  }
}

extension String {
  func padded(_ width: Int, left: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - count))
    return left ? fill + self : self + fill
  }
}
