/// Why a peer gave no figure. It costs the row its reference, never the run.
public struct PeerError: Error, Hashable, CustomStringConvertible {
  public let problem: String

  public init(_ problem: String) { self.problem = problem }

  public var description: String { problem }
}
