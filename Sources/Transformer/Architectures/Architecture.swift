/// One value of `general.architecture`, and how a file's metadata become a blueprint under it.
struct Architecture: Sendable {
  let name: String
  let blueprint: @Sendable (inout DecoderMetadata) throws(ModelError) -> DecoderBlueprint

  /// All that this program runs, each in a file of its own.
  static let supported: [Architecture] = [.llama, .qwen2, .qwen3, .gemma3]

  /// Settings that no blueprint reads, and the values under which they change nothing.
  static let unusedSettings: [String: [String]] = [
    "attention.causal": ["true"],
    "attention.clamp_kqv": ["0", "0.0"],
    "attention.max_alibi_bias": ["0", "0.0"],
    "attn_logit_softcapping": ["0", "0.0"],
    "expert_count": ["0"],
    "expert_used_count": ["0"],
    "final_logit_softcapping": ["0", "0.0"],
    "rope.scaling.attn_factor": ["1", "1.0"],
    "rope.scaling.finetuned": ["false", "true"],
    "rope.scaling.yarn_attn_factor": ["1", "1.0"],
    "rope.scaling.yarn_ext_factor": ["1", "1.0"],
    "tensor_data_layout": ["reference", "Meta AI original pth"],
    "use_parallel_residual": ["false"],
  ]
}
