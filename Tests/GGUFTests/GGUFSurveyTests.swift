import GGUF
import Kernels
import LabTestSupport
import Records
import Testing

@Suite("Surveyed GGUF files")
struct GGUFSurveyTests {
  private func survey(_ bytes: [UInt8]) throws(GGUFError) -> GGUFFile {
    try GGUFFile(surveying: ArrayStorage(bytes), name: "small.gguf")
  }

  @Test("A sound file is surveyed as it is opened, and gives its weights")
  func sound() throws {
    let (surveyed, opened) = (
      try survey(SmallFile.bytes()), try SmallFile.open(SmallFile.bytes())
    )
    #expect(surveyed.problems.isEmpty)
    #expect(surveyed.tensors == opened.tensors && surveyed.metadata == opened.metadata)
    #expect(try surveyed.vector("vector.weight") == opened.vector("vector.weight"))
  }

  @Test(
    "Cut at any byte, a file is read as far as it goes; the first problem is that of opening it")
  func cut() throws {
    let bytes = SmallFile.bytes()
    let whole = try SmallFile.open(bytes)
    for length in 8..<bytes.count {
      let part = Array(bytes[..<length])
      let surveyed = try survey(part)
      #expect(
        Array(whole.metadataKeys.prefix(surveyed.metadataKeys.count)) == surveyed.metadataKeys)
      #expect(whole.tensors.map(\.name).starts(with: surveyed.tensors.map(\.name)))
      do {
        _ = try SmallFile.open(part)
        #expect(surveyed.problems.isEmpty)
      } catch {
        #expect(surveyed.problems.first == error)
        // Weights might lie beyond the end.
        #expect(throws: error) { try surveyed.vector("vector.weight") }
      }
    }
  }

  @Test(
    "Where only weights are cut off, the whole table is there and one problem counts the tensors")
  func weightsCut() throws {
    let bytes = SmallFile.bytes()
    let whole = try SmallFile.open(bytes)
    // Before the end of the first tensor.
    let surveyed = try survey(Array(bytes[..<(whole.tensors[0].offset + 4)]))
    #expect(surveyed.tensors == whole.tensors)
    #expect(surveyed.problems.count == 1)
    #expect(
      surveyed.problems.first?.problem.hasSuffix(
        "the file is cut off or damaged (and 2 more)") == true)
  }

  @Test("All problems are told: each unread type once, a shape, a place")
  func problems() throws {
    var writer = GGUFWriter()
    let block = [UInt8](repeating: 0, count: 110)
    for (name, type, size, bytes) in [
      ("a", UInt32(21), 256, block), ("b", 99, 7, [0]), ("c", 21, 256, block),
      ("d", 3, 33, [0, 0]), ("e", 0, 1 << 40, [0, 0, 0, 0]),
    ] {
      writer.add(.init(name: name, dimensions: [size], type: type, bytes: bytes))
    }
    let surveyed = try survey(writer.encoded())
    #expect(surveyed.tensors.map(\.type.name) == ["iq3_s", "type 99", "iq3_s", "q4_1", "f32"])
    #expect(surveyed.tensors.map(\.byteCount) == [110, 0, 110, 0, 1 << 42])
    #expect(surveyed.tensors.map(\.format) == [nil, nil, nil, .q4_1, .f32])
    let told = surveyed.problems.map { "\($0.subject ?? ""): \($0.problem)" }
    let expected = [
      "tensor \"d\": has rows of \"33\" numbers; in q4_1 a row is a multiple of 32",
      "tensor \"a\": has the type \"21\" (iq3_s), which this program does not read; it reads f32",
      "tensor \"b\": has the type \"99\", which this program does not read; it reads f32",
      "tensor \"e\": takes 4398046511104 bytes from offset \"320\" of 352 bytes of data",
    ]
    #expect(told.count == expected.count)
    for (told, expected) in zip(told, expected) {
      #expect(told.hasPrefix(expected), "\(told)")
    }
    #expect(surveyed.problems[1].problem.hasSuffix("(and 1 more)"))
    #expect(throws: surveyed.problems[0]) { try surveyed.weightMatrix("a") }
  }

  @Test("Damaged at random, a file is surveyed without a crash", arguments: 0..<4)
  func mutations(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "GGUF survey")
    for _ in 0..<2_000 {
      let bytes = GGUFDamageTests.mutated(SmallFile.bytes(), &generator)
      guard let surveyed = try? survey(bytes) else { continue }
      for tensor in surveyed.tensors {
        #expect(tensor.elementCount > 0 && tensor.byteCount >= 0 && tensor.offset >= 0)
      }
      GGUFDamageTests.readEverything(surveyed)
    }
  }
}
