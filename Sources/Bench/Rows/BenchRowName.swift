import Records

/// The rows of `tca-lab bench`, in the order in which they are shown.
public enum BenchRowName: String, Sendable, Hashable, CaseIterable {
  case sgemm
  case multiplyAdd = "multiply-add"
  case bandwidth
  case attentionDense8192 = "attention-dense-8192"
  case prefill512 = "prefill-512"
  case prefill2048 = "prefill-2048"
  case prefill8192 = "prefill-8192"
  case prefill32768 = "prefill-32768"
  case decode0 = "decode-0"
  case decode8192 = "decode-8192"
  case decode32768 = "decode-32768"
  case threadsPrefill2048 = "threads-prefill-2048"
  case threadsDecode0 = "threads-decode-0"
  case tcaAttention4096 = "tca-attention-4096"
  case tcaAttention8192 = "tca-attention-8192"
  case tcaSelection4096 = "tca-selection-4096"
  case tcaSelection8192 = "tca-selection-8192"
  case tcaDecode8192 = "tca-decode-8192"
  case cacheQ8Decode8192 = "cache-q8_0-decode-8192"
  case cacheQ4Decode8192 = "cache-q4_0-decode-8192"
  case cacheRotatedDecode8192 = "cache-q4_0_rotated-decode-8192"
  case cacheKivi4Decode8192 = "cache-kivi4-decode-8192"
  case cacheKivi2Decode8192 = "cache-kivi2-decode-8192"
  case cacheLloyd4Decode8192 = "cache-lloyd4-decode-8192"
  case cacheLloyd3Decode8192 = "cache-lloyd3-decode-8192"
  case cacheLloyd2Decode8192 = "cache-lloyd2-decode-8192"
  case cacheNestedDecode8192 = "cache-nested-decode-8192"
  case skimDecode8192 = "skim-decode-8192"
  case skimDecode32768 = "skim-decode-32768"
  case fadeDecode8192 = "fade-decode-8192"
  case fadeDecode32768 = "fade-decode-32768"
  case cacheQ8Append = "cache-q8_0-append"
  case cacheQ4Append = "cache-q4_0-append"
  case cacheQ8Prefill2048 = "cache-q8_0-prefill-2048"
  case cacheQ4Prefill2048 = "cache-q4_0-prefill-2048"
  case memory8192 = "memory-8192"
  case memory32768 = "memory-32768"
  case runnerOverhead = "runner-overhead"
  case qualityIsolated2048 = "quality-isolated-2048"
  case qualityPropagated2048 = "quality-propagated-2048"

  public var unit: String {
    switch self {
    case .sgemm, .multiplyAdd, .attentionDense8192: "GFLOP/s"
    case .bandwidth: "GB/s"
    case .prefill512, .prefill2048, .prefill8192, .prefill32768, .decode0, .decode8192,
      .decode32768, .cacheQ8Prefill2048, .cacheQ4Prefill2048:
      "tokens/s"
    case .threadsPrefill2048, .threadsDecode0: "times"
    case .tcaAttention4096, .tcaAttention8192, .tcaSelection4096, .tcaSelection8192: "s"
    case .tcaDecode8192, .cacheQ8Decode8192, .cacheQ4Decode8192, .cacheRotatedDecode8192,
      .cacheKivi4Decode8192, .cacheKivi2Decode8192, .cacheLloyd4Decode8192,
      .cacheLloyd3Decode8192, .cacheLloyd2Decode8192, .cacheNestedDecode8192, .skimDecode8192,
      .skimDecode32768, .fadeDecode8192, .fadeDecode32768, .cacheQ8Append, .cacheQ4Append:
      "s/token"
    case .memory8192, .memory32768: "MB"
    case .runnerOverhead, .qualityIsolated2048, .qualityPropagated2048: "s"
    }
  }

  public var better: Polarity {
    switch self {
    case .sgemm, .multiplyAdd, .bandwidth, .attentionDense8192, .prefill512, .prefill2048,
      .prefill8192, .prefill32768, .decode0, .decode8192, .decode32768, .threadsPrefill2048,
      .threadsDecode0, .cacheQ8Prefill2048, .cacheQ4Prefill2048:
      .higher
    default: .lower
    }
  }

  /// What is measured, in one sentence.
  public var summary: String {
    switch self {
    case .sgemm:
      "OpenBLAS, 2,048 x 2,048 x 2,048, with all threads, before and after the other rows"
    case .multiplyAdd:
      "multiply-adds in registers with all threads: what the machine's arithmetic can reach"
    case .bandwidth:
      "memory, a[i] = b[i] + s · c[i] over arrays beyond the caches, 12 bytes an element"
    case .attentionDense8192:
      "the attention kernel on random numbers, all keys, causal, 8,192 tokens, one layer of the model's heads"
    case .prefill512: "512 tokens and the last one's logits, full attention"
    case .prefill2048: "2,048 tokens and the last one's logits, full attention"
    case .prefill8192: "8,192 tokens and the last one's logits, full attention"
    case .prefill32768: "32,768 tokens and the last one's logits, full attention"
    case .decode32768: "the last 32 tokens of a context of 32,768, one by one, full attention"
    case .threadsPrefill2048: "the rate of prefill-2048 with all threads over that with one"
    case .threadsDecode0: "the rate of decode-0 with all threads over that with one"
    case .memory32768: "peak resident memory of a prefill of 32,768 tokens, full attention"
    case .decode0: "64 tokens, one by one, after a prompt of one, full attention"
    case .decode8192: "the last 32 tokens of a context of 8,192, one by one, full attention"
    case .tcaAttention4096: "attending and selecting in a prefill of 4,096 tokens under TCA"
    case .tcaAttention8192: "attending and selecting in a prefill of 8,192 tokens under TCA"
    case .tcaSelection4096: "selecting alone, of tca-attention-4096"
    case .tcaSelection8192: "selecting alone, of tca-attention-8192"
    case .tcaDecode8192: "attending and selecting for one of the last 32 tokens of 8,192 under TCA"
    case .cacheQ8Decode8192: Self.cacheDecode("q8_0")
    case .cacheQ4Decode8192: Self.cacheDecode("q4_0")
    case .cacheRotatedDecode8192: Self.cacheDecode("q4_0_rotated")
    case .cacheKivi4Decode8192: Self.cacheDecode("kivi4")
    case .cacheKivi2Decode8192: Self.cacheDecode("kivi2")
    case .cacheLloyd4Decode8192: Self.cacheDecode("lloyd4")
    case .cacheLloyd3Decode8192: Self.cacheDecode("lloyd3")
    case .cacheLloyd2Decode8192: Self.cacheDecode("lloyd2")
    case .cacheNestedDecode8192: Self.cacheDecode("nested")
    case .skimDecode8192: Self.skimDecode("8,192")
    case .skimDecode32768: Self.skimDecode("32,768")
    case .fadeDecode8192: Self.fadeDecode("8,192")
    case .fadeDecode32768: Self.fadeDecode("32,768")
    case .cacheQ8Append: "quantising a token's keys and values to q8_0, all layers"
    case .cacheQ4Append: "quantising a token's keys and values to q4_0, all layers"
    case .cacheQ8Prefill2048: "prefill-2048 with a cache in q8_0"
    case .cacheQ4Prefill2048: "prefill-2048 with a cache in q4_0"
    case .memory8192: "peak resident memory of a prefill of 8,192 tokens, full attention"
    case .runnerOverhead:
      "what a run of two cells at 2,048 tokens takes outside of its timed passes: loading, samples, store, progress"
    case .qualityIsolated2048:
      "the dense pass of a quality measurement at 2,048 tokens with TCA's isolated errors beside it"
    case .qualityPropagated2048:
      "TCA's own pass of a quality measurement at 2,048 tokens: errors, and the scores of all tokens"
    }
  }

  private static func cacheDecode(_ format: String) -> String {
    "attention of one token to 8,192 random ones in \(format), all layers of the model's heads"
  }

  private static func skimDecode(_ tokens: String) -> String {
    "attention of one token to \(tokens) random ones in nested under skim, all layers of the model's heads"
  }

  private static func fadeDecode(_ tokens: String) -> String {
    "attention of one token to \(tokens) random ones in nested under fade, one of 16 with all its bits, all layers of the model's heads"
  }

  /// Tokens of context that the model must have for it; 0 where no model is used.
  public var contextLength: Int {
    switch self {
    case .sgemm, .multiplyAdd, .bandwidth, .attentionDense8192, .cacheQ8Decode8192,
      .cacheQ4Decode8192, .cacheRotatedDecode8192, .cacheKivi4Decode8192, .cacheKivi2Decode8192,
      .cacheLloyd4Decode8192, .cacheLloyd3Decode8192, .cacheLloyd2Decode8192,
      .cacheNestedDecode8192, .skimDecode8192, .skimDecode32768, .fadeDecode8192,
      .fadeDecode32768, .cacheQ8Append, .cacheQ4Append:
      0
    case .prefill512: 512
    case .prefill2048, .cacheQ8Prefill2048, .cacheQ4Prefill2048, .threadsPrefill2048,
      .runnerOverhead, .qualityIsolated2048,
      .qualityPropagated2048:
      2048
    case .tcaAttention4096, .tcaSelection4096: 4096
    case .decode0, .threadsDecode0: 65
    case .prefill8192, .decode8192, .tcaAttention8192, .tcaSelection8192, .tcaDecode8192,
      .memory8192:
      8192
    case .prefill32768, .decode32768, .memory32768: 32_768
    }
  }
}
