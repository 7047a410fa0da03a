extension TCA {
  /// What calibration compares with the threshold.
  public enum Criterion: String, ParameterChoice {
    /// The paper's: mean attention of the kept columns over the queries that see them, of all
    /// columns'.
    case columnMean
    /// Mean retained mass over queries with a non-empty evictable region.
    case meanMass
    /// The 10 % quantile of that mass.
    case quantileMass
    /// Its mean over the last block of queries.
    case lastBlock
  }

  /// How the choices of a group's query heads become what their KV head keeps.
  public enum GroupMerge: String, ParameterChoice {
    /// Everything that one of them chose.
    case union
    /// One choice from the mean importance of the group.
    case aggregate
  }

  /// Which of the tokens its KV head holds a query head attends to.
  public enum GroupAttends: String, ParameterChoice {
    case own, union
  }
}
