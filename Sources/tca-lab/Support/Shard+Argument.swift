import ArgumentParser
import Planning

extension Shard {
  /// Throws what is allowed for anything else than `2/4`.
  init(argument: String) throws {
    guard let shard = Shard(argument) else {
      throw ValidationError(
        "a shard is I/N with whole numbers 1 ≤ I ≤ N: 2/4 is the second of four parts")
    }
    self = shard
  }
}
