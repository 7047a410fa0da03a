import Experiments
import Records

extension TCALab {
  static let versionText = "tca-lab \(Provenance.programVersion)"
}
