import Kernels
import Records
import Transformer

/// The most memory that the process takes from an empty start on: kernels and model give their scratch back, and the
/// system's high-water mark is forgotten.
struct MemoryPeak {
  private let isResettable: Bool
  private let start: Int?

  init(of model: any DecoderModel) {
    model.workspace.releaseScratch()
    model.releaseScratch()
    ScratchMemory.returnFreedMemory()
    isResettable = ProcessMemory.resetPeak()
    start = ProcessMemory.residentBytes
  }

  /// The mark so far and what was resident at the start, where the system says so, and the scratch in use.
  var measurements: [Measurement] {
    var measurements = [
      MetricCatalogue.workspaceBytes.measurement(
        "value", value: Double(ScratchMemory.allocatedBytes))
    ]
    if isResettable, let start, let peak = ProcessMemory.peakResidentBytes {
      measurements += [
        MetricCatalogue.peakResidentBytes.measurement("value", value: Double(peak)),
        MetricCatalogue.peakResidentBytes.measurement("start", value: Double(start)),
      ]
    }
    return measurements
  }
}
