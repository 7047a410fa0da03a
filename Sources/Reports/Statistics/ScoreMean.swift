import Records

/// The mean score of a cell's prompts, with the 95 % interval that other prompts would give.
struct ScoreMean {
  var value: Double
  /// Clopper and Pearson's where each prompt is solved or not, so that 8 of 8 is [0.63, 1]; else Student's t inside of
  /// 0…1, nil for fewer than 8 prompts.
  var interval: Interval?

  /// Nil without scores. A prompt with several questions counts once, with its mean.
  init?(_ units: [ScoredUnit]) {
    let prompts = units.filter { $0.score != nil }.grouped(\.sample)
      .compactMap { $0.elements.compactMap(\.score).mean }
    guard let mean = prompts.mean else { return nil }
    value = mean
    if prompts.allSatisfy(\.isZeroOrOne) {
      let (low, high) = SuccessShare.interval(prompts.count { $0 == 1 }, of: prompts.count)
      interval = Interval(low: low, high: high)
    } else if prompts.count >= 8 {
      let found = MeanError(of: prompts, around: mean).interval(around: mean, level: 0.95)
      interval = Interval(low: max(0, found.low), high: min(1, found.high))
    }
  }
}
