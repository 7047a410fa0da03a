import JSON

/// Strategies of each kind: evicting after the prompt and in decode, selecting, with a cold
/// tier, sharing layers' budgets out, with seen positions of their own, composed.
let strategiesOfEachKind: [(String, JSONValue)] = [
  ("full", [:]), ("tca", AttentionSessionTests.tca),
  ("tca-plus", ["localWindow": 32, "sinks": 2, "heads": [8, 8, 8, 4, 4, 4]]),
  ("streaming-llm", ["sinks": 2, "localWindow": 20, "positions": "cacheRelative"]),
  ("snapkv", ["window": 8, "budget": ["tokens": 40]]),
  ("pyramidkv", ["window": 8, "budget": ["tokens": 40]]),
  ("h2o", ["budget": ["tokens": 30]]), ("tova", ["budget": ["tokens": 30]]),
  ("quest", ["pageSize": 16, "denseLayers": 0, "budget": ["tokens": 32]]),
  ("minference", ["budget": ["density": 0.5]]),
  (
    "composed",
    ["prefill": ["name": "a-shape"], "retention": ["name": "knorm", "budget": ["tokens": 40]]]
  ),
]
