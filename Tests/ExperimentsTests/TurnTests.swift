import Attention
import LabTestSupport
import Records
import Tasks
import Testing

@testable import Experiments

@Suite("Questions in turns")
struct TurnTests {
  @Test("A later question meets the cache with all that was asked and written before it")
  func conversation() throws {
    let lab = try RunLab()
    let model = try lab.loadModel()
    func run(_ sample: TaskSample) throws -> SamplePass.Outcome {
      let session = AttentionSession(
        FullAttention(), shape: model.model.shape, workspace: model.model.workspace)
      return try SamplePass(model: model.model, sample: sample).run(attention: session)
    }
    var sample = TaskSample(index: 0, place: 0, prompt: Array(20..<60))
    sample.lateTokens = [70, 71]
    sample.greedyTokens = 6
    let questions: [[Int32]] = [[70, 71], [80], [90, 91, 92]]
    sample.laterTurns = questions.dropFirst().map {
      var turn = sample.turns[0]
      turn.lateTokens = $0
      return turn
    }
    let answers = try run(sample).answers
    #expect(answers.map(\.count) == [6, 6, 6])
    // The same with everything before a question as one text.
    var known: [Int32] = []
    for (question, answer) in zip(questions, answers) {
      var alone = TaskSample(index: 0, place: 0, prompt: sample.prompt)
      alone.lateTokens = known + question
      alone.greedyTokens = 6
      #expect(try run(alone).answers == [answer])
      known += question + answer
    }
    // A stop token has been chosen and not run, so the cache goes on without it.
    let stop = answers[0][3]
    sample.stopTokens = [stop]
    let stopped = try run(sample).answers
    #expect(stopped[0] == Array(answers[0].prefix { $0 != stop }))
    var alone = TaskSample(index: 0, place: 0, prompt: sample.prompt)
    alone.lateTokens = questions[0] + stopped[0] + questions[1]
    alone.greedyTokens = 6
    alone.stopTokens = [stop]
    #expect(try run(alone).answers == [stopped[1]])
  }

  @Test("Where full attention answers fewer than half, nothing else is run, and the run says so")
  func hopeless() throws {
    let lab = try RunLab()
    var tiny = TinyModel()
    tiny.contextLength = 1024
    try tiny.write(to: lab.folder.path("long.gguf"))
    func spec(_ turns: String) -> String {
      """
      {"schemaVersion": 1, "name": "tiny", "models": [{"name": "tiny", "path": "long.gguf"}],
      "contextLengths": [800], "strategies": [{"name": "snapkv", "budget": {"tokens": 40}}],
      "tasks": [{"name": "ruler", "task": "niah_single_1", "samples": 1\(turns)}],
      "metrics": ["quality", "memory"], "warmups": 0, "repeats": 1}
      """
    }
    let run = try lab.run(spec(#", "turns": 2"#))
    #expect(run.summary.failed == 0 && run.summary.finished == 1)
    #expect(
      run.notes.contains { $0.contains("scores 0.0 in 2 turns, less than 0.5") }, "\(run.notes)")
    let rows = try lab.results().rows
    #expect(rows[0][.score] == 0 && rows[0].units.map(\.index) == [0, 1])
    #expect(rows[0][.lostAnswerTokens] == 0)
    #expect(rows[1].kinds.isEmpty && rows[1].failure == nil)
    // Once more it is known from what is stored.
    #expect(try lab.run(spec(#", "turns": 2"#)).summary.finished == 0)
    // A single question is put to everybody, and has the identity that it always had.
    let single = try lab.plan(spec(""))
    #expect(
      single.map(\.cell.identity) == (try lab.plan(spec(#", "turns": 1"#)).map(\.cell.identity)))
    #expect(single[0].cell.taskParameters["turns"] == nil)
    #expect(try lab.run(spec("")).summary.finished == 2)
    let answered = try lab.results().rows
    let lost = try #require(answered[1][.lostAnswerTokens])
    #expect(lost >= 0 && lost <= 1 && answered[0][.lostAnswerTokens] == 0)
  }
}
