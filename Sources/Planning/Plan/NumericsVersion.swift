/// The version of everything that decides results: kernels, strategies, tasks, measurements.
///
/// Raise it in the commit that changes a result; every cell is then measured anew, and older results stay apart.
public enum NumericsVersion {
  public static let current = 4
}
