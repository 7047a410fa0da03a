import Records
import Experiments

extension TCALab {
  static let versionText = "tca-lab \(Provenance.programVersion)"
}
