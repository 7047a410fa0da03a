import Testing

@testable import Planning

@Suite("Primary contrasts of a spec")
struct SpecPrimaryTests {
  private func problems(_ primary: String) -> [String] {
    SpecSamples.problems(
      SpecSamples.spec(
        strategies: #"{"name": "tca", "threshold": [0.7, 0.9]}, {"name": "picker"}"#,
        rest: #", "primary": \#(primary)"#))
  }

  @Test("Labels of the experiment make contrasts, full among them though it was added")
  func right() {
    #expect(problems(#"[["tca threshold=0.7", "picker"], ["full", "tca threshold=0.9"]]"#).isEmpty)
  }

  @Test("An unknown label is refused with its place, what there is and the nearest")
  func unknown() {
    #expect(
      problems(#"[["tca threshold=0.7", "pickr"], ["full", 1]]"#) == [
        #"4:67 $.primary[0][1]: "pickr" is no strategy of this experiment; allowed: full, tca threshold=0.7, tca threshold=0.9, picker; did you mean "picker"?"#,
        #"4:86 $.primary[1][1]: "1" is no strategy of this experiment; allowed: full, tca threshold=0.7, tca threshold=0.9, picker"#,
      ])
    // The name alone is no label where there are several.
    #expect(problems(#"[["tca", "picker"]]"#).count == 1)
  }

  @Test("Contrasts of what is not measured are refused: nothing would answer them")
  func unanswered() {
    func found(_ metrics: String) -> [String] {
      SpecSamples.problems(
        SpecSamples.spec(rest: #", "metrics": \#(metrics), "primary": [["full", "tca"]]"#))
    }
    #expect(found(#"["memory", "quality"]"#) == [])
    let problems = found(#"["memory"]"#)
    #expect(problems.count == 1)
    let complaint = "$.primary: contrasts are differences of \"quality\", which"
    #expect(problems.first?.contains(complaint) == true, "\(problems)")
    // Of metrics that are wrong nobody knows what they lack.
    #expect(found(#"["memry"]"#).count == 1)
  }

  @Test(
    "What is no list of pairs is refused",
    arguments: [
      ("1", "$.primary: \"1\" is a number"), ("[]", "$.primary: \"[]\" is an empty list"),
      (#"["full"]"#, "$.primary[0]: \"full\" is a string"),
      (#"[["full"]]"#, "is no pair"), (#"[["full", "full"]]"#, "compares a strategy with itself"),
      (#"[["full", "picker"], ["picker", "full"]]"#, "is the same contrast as an earlier one"),
    ])
  func wrong(primary: String, complaint: String) {
    let found = problems(primary)
    #expect(found.count == 1 && found[0].contains(complaint), "\(found)")
  }
}
