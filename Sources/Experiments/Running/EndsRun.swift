import Records

/// An error that ends the whole run. Any other fails the cells that it comes from, and the run goes
/// on.
protocol EndsRun: Error {}

/// Somebody asked the run to stop.
struct RunInterruption: EndsRun {}

/// What the result store threw.
public struct SinkError: EndsRun {
  public var underlying: any Error

  /// Marks what the store throws.
  static func wrapping<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw SinkError(underlying: error) }
  }
}

extension ExperimentRunner {
  /// The value, or nil once the cells are recorded as failed for what was thrown. The only place
  /// that tells the two kinds of errors apart.
  func attempt<Value>(
    failing cells: @autoclosure () -> [PlannedCell], _ body: () throws -> Value
  ) throws -> Value? {
    do {
      return try body()
    } catch let error as any EndsRun {
      throw error
    } catch {
      for cell in cells() { try fail(cell, error) }
      return nil
    }
  }
}
