#!/usr/bin/env python3
"""Writes Tests/Golden/baselines-kvpress.json: the tokens that NVIDIA's kvpress keeps of a stored case.

    python3 -m pip install kvpress numpy
    python3 scripts/vectors/baselines_kvpress.py Tests/Golden

Runs the library's own `compress` on the 256 prompt tokens of golden_small.safetensors (q of 4 query heads, k and v of 2
KV heads, 16 channels; see baselines.py) and finds the rows that it returns. Each case holds our strategy's name and
parameters, the positions kept by KV head, and those for a budget that is one token smaller: where kvpress drops the
newest token, which our caches never do, ours keeps that token and the smaller set. `rotary` says how q and k are taken to
be rotated; expected attention then gets the queries turned back.
"""

import json
import sys
from types import SimpleNamespace

import kvpress
import numpy as np
import torch
import transformers
from importlib.metadata import version

from baselines import PROMPT, attention, rotations, tensors

BASE = 10000.0


def module_for(q, rotary):
    heads, n, d = q.shape
    projection = torch.nn.Linear(heads * d, heads * d, bias=False)
    projection.weight.data = torch.eye(heads * d)

    def angles(x, position_ids):
        table = np.outer(position_ids[0].numpy(), BASE ** (-2 * np.arange(d // 2) / d))
        table = torch.tensor(np.concatenate([table, table], axis=1) * (1 if rotary else 0))
        return table.cos().float()[None], table.sin().float()[None]

    config = SimpleNamespace(num_attention_heads=heads, num_key_value_heads=2, head_dim=d)
    return SimpleNamespace(
        config=config, head_dim=d, q_proj=projection, rotary_emb=angles, layer_idx=0,
        num_key_value_groups=heads // 2,
    )  # fmt: skip


def kept(press, tokens, q, k, v, rotary):
    press.compression_ratio = 1 - tokens / PROMPT
    queries = q
    if rotary:
        turn = rotations(np.arange(PROMPT), q.shape[-1], BASE, "halfSplit")
        queries = np.einsum("nji,hnj->hni", turn, q)
    hidden = torch.tensor(queries.transpose(1, 0, 2).reshape(1, PROMPT, -1), dtype=torch.float32)
    keys, values = (torch.tensor(x[None], dtype=torch.float32) for x in (k, v))
    weights = torch.tensor(attention(q, k, 0)[None], dtype=torch.float32)
    with torch.no_grad():
        result, _ = press.compress(module_for(q, rotary), hidden, keys, values, weights, {})
    return [
        sorted(int((keys[0, head] == row).all(-1).nonzero()[0, 0]) for row in result[0, head])
        for head in range(keys.shape[1])
    ]


def kept_adakv(press, tokens, q, k, v):
    """What AdaKVPress leaves unmasked, by KV head."""
    press.compression_ratio = 1 - tokens / PROMPT
    module = module_for(q, None)
    module.config._attn_implementation = "sdpa"
    hidden = torch.tensor(q.transpose(1, 0, 2).reshape(1, PROMPT, -1), dtype=torch.float32)
    keys, values = (torch.tensor(x[None], dtype=torch.float32) for x in (k, v))
    weights = torch.tensor(attention(q, k, 0)[None], dtype=torch.float32)
    with torch.no_grad():
        press.compress(module, hidden, keys, values, weights, {})
    _, heads, positions = (x.tolist() for x in module.masked_key_indices)
    masked = set(zip(heads, positions))
    return [[j for j in range(PROMPT) if (head, j) not in masked] for head in range(len(k))]


def main(folder):
    q, k, v = (x[:, :PROMPT] for x in tensors(f"{folder}/golden_small.safetensors"))
    rotary = {"base": BASE, "layout": "halfSplit"}
    wanted = [("knorm", kvpress.KnormPress(), {}, t, None) for t in (25, 100, 255)]
    wanted += [("keydiff", kvpress.KeyDiffPress(), {}, t, None) for t in (25, 100, 255)]
    wanted += [("tova", kvpress.TOVAPress(), {}, t, None) for t in (25, 100, 255)]
    wanted += [("snapkv", kvpress.SnapKVPress(), {}, t, None) for t in (65, 100, 200)]
    wanted += [
        ("snapkv", kvpress.SnapKVPress(window_size=w, kernel_size=size),
         {"observationWindow": w, "kernel": size}, 100, None)
        for w, size in ((32, 7), (8, 5), (1, 1))
    ]  # fmt: skip
    # Budgets that give each partition the same share: kvpress leaves the choice among equal ranks open.
    wanted += [
        ("lagkv", kvpress.LagKVPress(n_sink=sinks, lag_size=lag), {"sinks": sinks, "lag": lag}, t, None)
        for sinks, lag, t in ((4, 32, 124), (4, 32, 70), (0, 40, 131), (4, 128, 60))
    ]  # fmt: skip
    wanted += [
        ("streaming-llm", kvpress.StreamingLLMPress(n_sink=sinks), {"sinks": sinks, "prefill": False}, t, None)
        for sinks, t in ((4, 25), (4, 100), (4, 255), (0, 60), (16, 60))
    ]  # fmt: skip
    expected = kvpress.ExpectedAttentionPress
    wanted += [
        ("expected-attention", expected(), {}, 60, None),
        ("expected-attention", expected(), {}, 60, rotary),
        ("expected-attention", expected(), {}, 130, rotary),
        ("expected-attention", expected(use_covariance=False), {"covariance": False}, 60, rotary),
        ("expected-attention", expected(use_vnorm=False), {"valueNorm": False}, 60, rotary),
        ("expected-attention", expected(n_sink=1, epsilon=0.01, n_future_positions=64),
         {"sinks": 1, "epsilon": 0.01, "futurePositions": 64}, 60, rotary),
    ]  # fmt: skip
    rows = []
    for name, press, parameters, tokens, turned in wanted:
        rows.append(
            {"strategy": name, "rotary": turned,
             "parameters": {**parameters, "budget": {"tokens": tokens}},
             "kept": kept(press, tokens, q, k, v, turned),
             "keptOneLess": kept(press, tokens - 1, q, k, v, turned)}
        )  # fmt: skip
    for w, size, alpha, t in ((64, 5, 0.2, 100), (16, 5, 0.2, 40), (16, 5, 0.8, 90), (16, 7, 0, 90)):
        press = kvpress.AdaKVPress(kvpress.SnapKVPress(window_size=w, kernel_size=size), alpha)
        rows.append(
            {"strategy": "adakv", "rotary": None,
             "parameters": {"observationWindow": w, "kernel": size, "floorFraction": alpha, "budget": {"tokens": t}},
             "kept": kept_adakv(press, t, q, k, v), "keptOneLess": kept_adakv(press, t - 1, q, k, v)}
        )  # fmt: skip
    versions = {
        "kvpress": version("kvpress"), "torch": torch.__version__,
        "transformers": transformers.__version__, "numpy": np.__version__,
    }  # fmt: skip
    with open(f"{folder}/baselines-kvpress.json", "w", encoding="utf-8") as file:
        file.write(f'{{\n"versions": {json.dumps(versions)},\n"eviction": [\n')
        file.write(",\n".join(json.dumps(row) for row in rows) + "\n]\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
