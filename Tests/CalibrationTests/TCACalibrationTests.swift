import Attention
import Calibration
import JSON
import Records
import Testing

@Suite("How a spec's tca is calibrated")
struct TCACalibrationTests {
  static let shape = TCACalibratorTests.shape

  static func strategy(_ parameters: JSONValue) throws -> TCA {
    try TCA.of(parameters, shape: shape)
  }

  static func evidence(_ parameters: JSONValue, tokens: Int) throws -> JSONValue {
    let strategy = try strategy(parameters)
    _ = try #require(try strategy.calibrationRequest(contextLength: tokens))
    return try strategy.evidence(CalibrationSequence(shape, tokens: tokens, seed: tokens))
  }

  @Test("Nothing is asked for where heads are given")
  func givenHeads() throws {
    #expect(
      try Self.strategy(["heads": [1, 2]]).calibrationRequest(contextLength: 8192) == nil)
  }

  @Test(
    "The default length is two windows, at least 2,048, at most the model's context",
    arguments: [
      (["blockSize": 128, "localWindow": 256], 8192, 2048),
      (["blockSize": 128, "localWindow": 1024], 8192, 2304),
      ([:], 16384, 8448), ([:], 8192, 8192), (["localWindow": 256], 512, 512),
      (["blockSize": 1, "localWindow": .integer(1 << 30)], 8192, 8192),
      (["calibrationLength": 700], 8192, 700),
    ] as [(JSONValue, Int, Int)])
  func length(parameters: JSONValue, context: Int, expected: Int) throws {
    let request = try Self.strategy(parameters).calibrationRequest(contextLength: context)
    #expect(request?.tokens == expected)
    #expect(request?.corpus == "emma")
  }

  @Test("Options are those that decide the evidence; threshold and criterion share one pass")
  func options() throws {
    func request(_ parameters: JSONValue) throws -> CalibrationRequest? {
      try Self.strategy(parameters).calibrationRequest(contextLength: 8192)
    }
    let base = try request(["localWindow": 256])
    let same: [JSONValue] = [
      ["localWindow": 256, "threshold": 0.5], ["localWindow": 256, "criterion": "columnMean"],
      ["localWindow": 256, "groupAttends": "union"], ["localWindow": 256, "retention": false],
    ]
    for parameters in same { #expect(try request(parameters) == base) }
    let other: [JSONValue] = [
      ["localWindow": 512], ["localWindow": 256, "blockSize": 64],
      ["localWindow": 256, "balance": 0], ["localWindow": 256, "sinks": 4],
      ["localWindow": 256, "importanceQueries": 2],
      ["localWindow": 256, "groupMerge": "aggregate"],
      ["localWindow": 256, "calibrationCorpus": "other"],
      ["localWindow": 256, "calibrationLength": 1000],
    ]
    for parameters in other { #expect(try request(parameters) != base) }
  }

  @Test("Lengths beyond the context and sizes that do not fit are refused by name")
  func refused() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "tca"))
    let bad: [(String, JSONValue)] = [
      ("calibrationLength", ["calibrationLength": 9000]),
      ("calibrationLength", ["calibrationLength": 1]),
      ("localWindow", ["localWindow": 100]), ("blockSize", ["blockSize": 100]),
      ("threshold", ["threshold": "high"]),
    ]
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self) {
        try entry.configure(parameters).checkBeforeCalibration(
          for: Self.shape, contextLength: 8192)
      }
      #expect(error?.parameter == parameter)
    }
  }

  @Test("The result is a strategy that can be made, and a lower threshold keeps no more")
  func resolve() throws {
    for merge in ["union", "aggregate"] {
      let parameters: JSONValue = [
        "blockSize": 16, "localWindow": 32, "groupMerge": .string(merge),
      ]
      let evidence = try Self.evidence(parameters, tokens: 200)
      let decoded = try evidence.decode(as: TCAEvidence.self)
      var before = 0
      for threshold in [0.2, 0.6, 0.9] {
        var members = parameters.objectValue ?? [:]
        members["threshold"] = .number(threshold)
        let resolved = try Self.strategy(.object(members)).calibrated(by: evidence).strategy
        try ConfiguredStrategy(resolved).check(promptTokens: 200, shape: Self.shape)
        #expect(resolved.threshold == threshold)
        let heads = try #require(resolved.heads)
        let kept = zip(0..., heads).reduce(0) { sum, head in
          let entry = decoded.entries[head.0 / decoded.queryHeadsPerEntry]
          return sum + (head.1 < 0 ? 200 : entry.kept[head.1])
        }
        #expect(kept >= before)
        before = kept
      }
    }
  }

  @Test("Heads that keep everything are remarked on, and why")
  func remarks() throws {
    let short: JSONValue = ["blockSize": 16, "localWindow": 32]
    let none = try Self.strategy(short).calibrated(by: Self.evidence(short, tokens: 48))
    #expect(
      none.remark
        == "tca keeps everything: none of the 48 calibration tokens leaves the local window of 32; calibrate on more than 48 or use a smaller localWindow"
    )
    #expect(none.strategy.heads == [-1, -1, -1, -1, -1, -1])

    let strict: JSONValue = ["blockSize": 16, "localWindow": 32, "threshold": 1]
    let some = try Self.evidence(strict, tokens: 200)
    #expect(
      try Self.strategy(strict).calibrated(by: some).remark
        == "tca: 6 of 6 query heads keep everything, since none of their candidates reaches columnMean 1.0"
    )
    let mild: JSONValue = ["blockSize": 16, "localWindow": 32, "threshold": 0.1]
    #expect(try Self.strategy(mild).calibrated(by: some).remark == nil)
  }

  @Test("Damaged evidence is an error, not a choice")
  func damaged() throws {
    let parameters: JSONValue = ["blockSize": 16, "localWindow": 32]
    let good = try Self.evidence(parameters, tokens: 100)
    func changed(_ key: String, _ value: JSONValue) -> JSONValue {
      var members = good.objectValue ?? [:]
      members[key] = value
      return .object(members)
    }
    let bad: [JSONValue] = [
      .null, [:], "evidence", changed("queryHeadsPerEntry", -1), changed("queryHeads", 7),
      changed("layers", 0), changed("entries", [["kept": [1], "meanMass": []]]),
      changed("entries", []),
    ]
    for evidence in bad {
      #expect(throws: CalibrationError.damagedEvidence(strategy: "tca")) {
        try Self.strategy(parameters).calibrated(by: evidence)
      }
    }
  }
}
