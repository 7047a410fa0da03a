/// What must hold of every strategy.
public enum Invariant: String, Codable, Sendable, Hashable, CaseIterable {
  case answersAreComplete
  case scoresAreNumbers
  case everythingEqualsDense
  case attendsToItself
  case isCausal
  case declaresLookingAhead
  case actsInItsPhases
  case attendedIsCounted
  case equalsExactAttention
  case boundHolds
  case retainedMassIsAtMostOne
  case oracleRetainsMost
  case staysWithinBudget
  case cacheHoldsWhatWasKept
  case memoryFalls
  case stateIsCounted
  case sameInputSameOutput
  case sequencesAreSeparate
  case layersAreSeparate
  case windowsStandApart
  case headsAreSeparate
  case stepsMayBeTakenTogether

  /// The claim that is checked.
  public var claim: String {
    switch self {
    case .answersAreComplete:
      "There is one selection for each head, and one score for each token that a KV head holds"
    case .scoresAreNumbers: "No token is ranked by a score that is NaN"
    case .everythingEqualsDense:
      "With parameters that keep everything, each head's output equals dense attention within 1e-6"
    case .attendsToItself: "Every query attends at least to its own token"
    case .isCausal:
      "What a later token says changes no earlier output, unless selectionLooksAhead is declared"
    case .declaresLookingAhead: "A declared selectionLooksAhead shows in some case"
    case .actsInItsPhases:
      "Each phase that it acts in leaves something out in some case, and no other phase ever does"
    case .attendedIsCounted: "The pairs counted are the pairs that selections and cache show"
    case .equalsExactAttention:
      "The output is attention over exactly the attended keys, within 1e-5 of double precision"
    case .boundHolds: "‖Ô−O‖₁ ≤ 2 γ M + 1e-5 M for every query, γ and O in double precision"
    case .retainedMassIsAtMostOne: "No query retains more than its whole attention mass"
    case .oracleRetainsMost:
      "No query retains more of its attention mass than oracle-top-k does with as many keys"
    case .staysWithinBudget: "A budget is not exceeded"
    case .cacheHoldsWhatWasKept:
      "The cache holds exactly the tokens that retention kept, unchanged, in order"
    case .memoryFalls: "Allocated memory falls when tokens leave"
    case .stateIsCounted:
      "What a state holds for the tokens of the cache is counted in its cacheBytes"
    case .sameInputSameOutput:
      "The same input gives the same output to the last bit, for any number of threads"
    case .sequencesAreSeparate: "A sequence leaves no trace in the next, nor in one beside it"
    case .layersAreSeparate: "What one layer sees changes nothing in another"
    case .windowsStandApart:
      "Beside layers with a window of their own it does what it does without them, and these attend within their window"
    case .headsAreSeparate:
      "KV heads do not depend on each other, or only as a set: trading places changes nothing else"
    case .stepsMayBeTakenTogether:
      "Decode steps that may be taken together give what they give one by one"
    }
  }

  /// What to change in a strategy that breaks it, in one sentence.
  public var advice: String {
    switch self {
    case .answersAreComplete:
      "Return from `scores` one number for each of the `layer.heads[kvHead].count` tokens held, and assign `selections[head]` without adding or removing any."
    case .scoresAreNumbers:
      "Guard what can be NaN in `scores` (0/0, the logarithm or root of a negative number): NaN ranks lowest, so such tokens leave the cache without a word."
    case .everythingEqualsDense:
      "Leave a selection at `.everything` wherever the budget or the window covers all tokens that the query can see."
    case .attendsToItself:
      "Start from `Selection()`, whose window shows the query its own token, and do not take the newest token from a cache."
    case .isCausal:
      "Select only from keys at positions up to the query, and by nothing that comes after it; if the whole prompt is meant to choose for its earlier queries, declare `var selectionLooksAhead: Bool { true }`."
    case .declaresLookingAhead:
      "Remove `selectionLooksAhead`: nothing that it selects depends on later tokens of the prompt."
    case .actsInItsPhases:
      "Conform to the capability that you mean (`SelectsInPrefill`, `SelectsInDecode`, `Retains`) and to no other: a method is called only through its capability, and listed as acting in its phase."
    case .staysWithinBudget:
      "Count sinks, windows and the newest token inside `budget`, which is all that a KV head may hold, or a query may see; unless it is a `Scorer`, it has to conform to `Budgeted` to be told of it."
    case .attendedIsCounted, .equalsExactAttention, .boundHolds, .retainedMassIsAtMostOne,
      .oracleRetainsMost, .cacheHoldsWhatWasKept, .memoryFalls:
      "Change nothing in the caches that the view shows: return selections, and the framework attends, counts and frees memory; if the strategy does no more than that, the fault is the framework's, so please report it with the case below."
    case .stateIsCounted:
      "Add to `cacheBytes` the bytes of every array and dictionary of the state that grows with the tokens, or drop what the next call does not need."
    case .sameInputSameOutput:
      "Draw random numbers from a `SeededGenerator` made in the call, let threads share no variable, and remember nothing outside of `State`."
    case .sequencesAreSeparate:
      "Keep what is remembered of a sequence in `State`, which each sequence has its own of, not in the strategy, an object that it holds, or a global."
    case .layersAreSeparate:
      "Keep what is remembered of a layer in `State`, which each layer has its own of, and pass nothing from one layer to another."
    case .windowsStandApart:
      "Count layers by the `layer` and `shape` that you are given: they are the layers that attend globally, whatever else the model has."
    case .headsAreSeparate:
      "Let a head's choice depend on its own queries, keys and values, or on those of all heads alike, never on the head before it."
    case .stepsMayBeTakenTogether:
      "Return from `queriesDecodedTogether` at most the number of steps that share one selection with no retention between them; 1 is always right."
    }
  }
}
