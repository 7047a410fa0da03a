extension PyTorchPeer {
  /// Given to the interpreter on stdin, so that the program needs no file beside it.
  static let script = #"""
    import json
    import sys
    import time

    import torch

    request = json.loads(sys.argv[1])
    torch.set_num_threads(request["threads"])
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    tokens = request["tokens"]
    query_heads, kv_heads, dimension = (request[k] for k in ("queryHeads", "kvHeads", "headDimension"))


    def attention():
        query = torch.randn(1, query_heads, tokens, dimension)
        # Repeated before the clock starts: the grouped form may take a slower path.
        key, value = (
            torch.randn(1, kv_heads, tokens, dimension).repeat_interleave(query_heads // kv_heads, 1)
            for _ in range(2)
        )
        return lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


    def prefill():
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=request["vocabularySize"],
            hidden_size=request["hiddenSize"],
            intermediate_size=request["feedForwardSize"],
            num_hidden_layers=request["layers"],
            num_attention_heads=query_heads,
            num_key_value_heads=kv_heads,
            head_dim=dimension,
            max_position_embeddings=request["contextLength"],
            tie_word_embeddings=True,
            attn_implementation="sdpa",
        )
        model = LlamaForCausalLM(config).float().eval()
        ids = torch.randint(0, request["vocabularySize"], (1, tokens))
        model(input_ids=ids[:, : min(tokens, 256)], use_cache=True, logits_to_keep=1)
        return lambda: model(input_ids=ids, use_cache=True, logits_to_keep=1)


    work = {"attention": attention, "prefill": prefill}[request["work"]]()
    if request["work"] == "attention":
        work()
    seconds = []
    for _ in range(request["repetitions"]):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "threads": torch.get_num_threads()}))
    """#
}
