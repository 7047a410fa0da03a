import Foundation
import GGUF
import Kernels
import LabTestSupport
import Testing

@Suite("GGUF file")
struct GGUFFileTests {
  @Test("Versions 2 and 3 read the same", arguments: [UInt32(2), 3])
  func versions(version: UInt32) throws {
    let file = try SmallFile.open(SmallFile.bytes(version: version))
    let writer = SmallFile.writer()
    #expect(file.version == Int(version))
    #expect(file.metadataKeys == writer.keys.map(\.name))
    for (name, value) in writer.keys { #expect(file.metadata[name] == value) }
    #expect(file.tensors.map(\.name) == ["vector.weight", "matrix.weight", "cube.weight"])
    #expect(file.tensors.map(\.dimensions) == [[3], [64, 2], [2, 3, 2]])
    #expect(file.tensors.map(\.format) == [.f32, .q4_1, .f16])
    #expect(file.tensors.map(\.byteCount) == [12, 80, 24])
    #expect(file.tensors.allSatisfy { $0.offset % 32 == 0 })
  }

  @Test("A file opened by its path gives the same tensors as one in memory")
  func byPath() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/small.gguf"
      try SmallFile.writer().write(to: path)
      let mapped = try GGUFFile(path: path)
      let inMemory = try SmallFile.open(SmallFile.bytes())
      #expect(mapped.tensors == inMemory.tensors)
      #expect(mapped.metadata == inMemory.metadata)
      let rows = try mapped.weightMatrix("matrix.weight").dequantizedRows(0..<2)
      #expect(rows == (try inMemory.weightMatrix("matrix.weight").dequantizedRows(0..<2)))
    }
  }

  @Test("A part of a split model is told as such by its metadata, with the command that merges")
  func parts() throws {
    let sentence = { (part: String, files: String) in
      "\(part) of a split model; only whole files are read: join the parts (llama.cpp: llama-gguf-split --merge \(files))"
    }
    var writer = SmallFile.writer()
    writer.add("split.no", .uint16(1))
    writer.add("split.count", .uint16(3))
    let second = try SmallFile.open(writer.encoded())
    #expect(second.part?.number == 2 && second.part?.count == 3)
    let error = #expect(throws: GGUFError.self) { try second.requireWhole() }
    #expect(
      error?.description
        == "small.gguf: is "
        + sentence("part 2 of 3", "FIRST_PART.gguf WHOLE.gguf"))
    #expect(error?.reason == .unsupported)

    try TemporaryFolder.use { folder in
      // The metadata are right about the number, the name about the files.
      let path = folder + "/m-00003-of-00003.gguf"
      try writer.write(to: path)
      let named = #expect(throws: GGUFError.self) { try GGUFFile(path: path).requireWhole() }
      let files = "\(folder)/m-00001-of-00003.gguf \(folder)/m.gguf"
      #expect(named?.description == "\(path): is " + sentence("part 2 of 3", files))
      // A file cut in pieces by its bytes: the first ends too early, the others begin with anything.
      let other = folder + "/m-00002-of-00003.gguf"
      try Data("noise, noise, noise".utf8).write(to: URL(fileURLWithPath: other))
      let noise = #expect(throws: GGUFError.self) { try GGUFFile(path: other) }
      #expect(noise?.reason == .notGGUF)
      let advice = "; by its name it is " + sentence("part 2 of 3", files)
      #expect(noise?.problem.hasSuffix(advice) == true, "\(noise?.problem ?? "")")
      try Data(SmallFile.bytes().dropLast(100)).write(to: URL(fileURLWithPath: other))
      let cut = #expect(throws: GGUFError.self) { try GGUFFile(path: other) }
      #expect(cut?.problem.hasSuffix(advice) == true, "\(cut?.problem ?? "")")
    }
  }

  @Test("A whole model is no part, whatever its name and number", arguments: [nil, 1, 0])
  func whole(count: Int?) throws {
    try TemporaryFolder.use { folder in
      var writer = SmallFile.writer()
      if let count { writer.add("split.count", .uint16(UInt16(count))) }
      for name in [
        "m.gguf", "m-00001-of-00001.gguf", "m-00003-of-00002.gguf", "m-1-of-2.gguf",
        "m-00001-of-00002.gguf",
      ] {
        let path = folder + "/" + name
        try writer.write(to: path)
        let file = try GGUFFile(path: path)
        #expect(file.part == nil)
        try file.requireWhole()
      }
    }
  }

  @Test("An alignment in the metadata moves the tensors", arguments: [8, 64, 4096])
  func alignment(bytes: Int) throws {
    var writer = SmallFile.writer()
    writer.add("general.alignment", .uint32(UInt32(bytes)))
    let file = try SmallFile.open(writer.encoded())
    #expect(file.tensors.allSatisfy { $0.offset % bytes == 0 })
    let expected = try SmallFile.open(SmallFile.bytes())
    #expect(try file.vector("vector.weight") == (try expected.vector("vector.weight")))
  }

  @Test("Getters give the value of their type, and nil for an absent key where that is allowed")
  func getters() throws {
    let file = try SmallFile.open(SmallFile.bytes())
    #expect(try file.string("general.architecture") == "llama")
    #expect(try file.integer("llama.block_count") == 2)
    #expect(try file.integer("a.byte") == 200)
    #expect(try file.integer("a.long") == -5)
    #expect(try file.number("a.double") == 0.1)
    #expect(try file.number("llama.rope.freq_base") == 10_000)
    #expect(try file.number("llama.block_count") == 2)
    #expect(try file.number("a.huge") == 0x1p64)
    #expect(try file.boolean("a.flag"))
    #expect(try file.strings("tokens") == ["a", "", "Ġthe", "日本"])
    #expect(try file.integers("types") == [1, -3])
    #expect(try file.integers("empty") == [])
    #expect(try file.numbers("scores") == [0.5, -1])
    #expect(try file.numbers("types") == [1, -3])
    #expect(try file.string(ifPresent: "absent") == nil)
    #expect(try file.integer(ifPresent: "absent") == nil)
    #expect(try file.number(ifPresent: "absent") == nil)
    #expect(try file.boolean(ifPresent: "absent") == nil)
    #expect(try file.strings(ifPresent: "absent") == nil)
    #expect(try file.integers(ifPresent: "absent") == nil)
    #expect(try file.numbers(ifPresent: "absent") == nil)
  }

  @Test("A getter says which key, what it is and what is allowed")
  func getterErrors() throws {
    let file = try SmallFile.open(SmallFile.bytes())
    func message<Value>(_ get: () throws(GGUFError) -> Value) -> String {
      do {
        return "gave \(try get())"
      } catch {
        return "\(error.reason): \(error)"
      }
    }
    #expect(
      message { () throws(GGUFError) in try file.integer("absent") }
        == "missing: small.gguf: metadata key \"absent\": is not in this file")
    #expect(
      message { () throws(GGUFError) in try file.integer("general.architecture") }
        == "wrongType: small.gguf: metadata key \"general.architecture\": is \"llama\" (string); allowed is a whole number below 2^63"
    )
    #expect(
      message { () throws(GGUFError) in try file.integer(ifPresent: "a.huge") }
        == "wrongType: small.gguf: metadata key \"a.huge\": is \"18446744073709551615\" (uint64); allowed is a whole number below 2^63"
    )
    #expect(
      message { () throws(GGUFError) in try file.strings("types") }
        == "wrongType: small.gguf: metadata key \"types\": is an array (array of 2 int32s); allowed is an array of strings"
    )
    #expect(
      message { () throws(GGUFError) in try file.string("a.flag") }
        == "wrongType: small.gguf: metadata key \"a.flag\": is \"true\" (boolean); allowed is a string"
    )
  }

  @Test("A vector is one row, a matrix of three dimensions is refused, as is a matrix as a vector")
  func shapes() throws {
    let file = try SmallFile.open(SmallFile.bytes())
    let row = try file.weightMatrix("vector.weight")
    #expect((row.rows, row.columns) == (1, 3))
    #expect(try file.vector("vector.weight").count == 3)
    let errors = [("cube.weight", true), ("matrix.weight", false), ("absent", true)].map {
      (name, asMatrix) -> String in
      do {
        if asMatrix { _ = try file.weightMatrix(name) } else { _ = try file.vector(name) }
        return "opened"
      } catch {
        return "\(error)"
      }
    }
    #expect(
      errors == [
        "small.gguf: tensor \"cube.weight\": has the shape \"2 x 3 x 2\"; allowed here are 1 or 2 dimensions",
        "small.gguf: tensor \"matrix.weight\": has the shape \"64 x 2\"; allowed here are 1 dimensions",
        "small.gguf: tensor \"absent\": is not in this file, which has 3 tensors",
      ])
  }

  @Test("The tiny model opens, is the same each time, and differs by seed")
  func tinyModel() throws {
    let model = TinyModel()
    let file = try model.file()
    #expect(try file.string("general.architecture") == "llama")
    #expect(try file.strings("tokenizer.ggml.tokens").count == 320)
    #expect(Set(try file.strings("tokenizer.ggml.tokens")).count == 320)
    #expect(try file.weightMatrix("blk.1.ffn_down.weight").columns == 96)
    #expect(file.tensors.count == 20)
    #expect(model.writer().encoded() == TinyModel().writer().encoded())
    var other = model
    other.seed = 2
    #expect(other.writer().encoded() != model.writer().encoded())
  }

  @Test(
    "A tiny model of any format has weights of the intended size", arguments: BlockFormat.allCases)
  func randomWeights(format: BlockFormat) throws {
    let file = try TinyModel.wide(format).file()
    let weights = try file.weightMatrix("blk.0.attn_q.weight")
    #expect(weights.format == format)
    let numbers = weights.dequantizedRows(0..<weights.rows).elements.map(Double.init)
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    let deviation = (numbers.reduce(0) { $0 + $1 * $1 } / Double(numbers.count)).squareRoot()
    // 65,536 numbers: the mean of that many is within 1 % of a deviation, the deviation by design within 3 %.
    #expect(abs(mean) < 0.01 * deviation)
    #expect(abs(deviation * 16 / 1.4 - 1) < 0.03)
  }
}
