#!/usr/bin/env python3
"""Writes Tests/Golden/baselines.json: which tokens KV eviction and selection methods keep of a stored case.

    python3 -m pip install numpy==2.4.6
    python3 scripts/vectors/baselines.py Tests/Golden

Written from the methods' published formulas in float64, as whole matrices and full sorts, independent of this
repository's Swift. It is no run of the methods' own libraries. Input: q (4 query heads), k, v (2 KV heads) of
golden_small.safetensors, 304 tokens of 16 channels; 256 are the prompt. Every case holds the strategy's name and
parameters (`rotary`: how q and k are taken to be rotated), the positions that each KV head keeps after the prompt, and `gap`: by how much, relative to the largest
score, the last kept score exceeds the first dropped one (0 would be a tie; float32 is good to about 1e-6).

Two rules are this repository's: equal scores go to the lower position, and the newest token always stays, inside the
budget (`newestForced` says whether that changed the choice of a KV head).
"""

import json
import platform
import struct
import sys

import numpy as np

PROMPT = 256
MINIMUM_GAP = 2e-6


def tensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])

    def tensor(name):
        begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
        values = np.frombuffer(data[begin:end], "<f4").astype(np.float64)
        return values.reshape(header[name]["shape"])

    return tensor("q"), tensor("k"), tensor("v")


def softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attention(q, k, first):
    """Causal softmax rows (head, query, key) of the queries first... of each query head."""
    group = q.shape[0] // k.shape[0]
    keys = np.repeat(k, group, axis=0)
    logits = np.einsum("hqd,hkd->hqk", q[:, first:], keys) / np.sqrt(q.shape[-1])
    rows = first + np.arange(q.shape[1] - first)
    logits[:, np.arange(k.shape[1])[None, :] > rows[:, None]] = -np.inf
    return softmax(logits)


def by_kv_head(scores, kv_heads, how=np.mean):
    return how(scores.reshape(kv_heads, -1, scores.shape[-1]), axis=1)


def top(scores, count):
    """Indices of the highest scores, equal ones by position, and the relative gap to the next other score."""
    order = np.argsort(-scores, kind="stable")
    gap = np.inf
    if 0 < count < len(order):
        last, next = scores[order[count - 1]], scores[order[count]]
        # Pooling by maximum gives neighbours one score: the cut is then as safe as the whole group of equals.
        others = scores[scores != last] if last == next else np.array([next])
        gap = np.abs(others - last).min() / np.abs(scores).max()
    return order[:count], gap


def choose(scores, capacity, first=0, newest=1):
    """Kept positions of each KV head: newest and first tokens, then the best."""
    kept, gaps, forced = [], [], []
    for row in scores:
        n = len(row)
        capacity = min(capacity, n)
        start = min(first, capacity - 1)
        end = n - min(newest, capacity - start)
        best, gap = top(row[start:end], capacity - start - (n - end))
        kept.append(sorted([*range(start), *(start + best).tolist(), *range(end, n)]))
        gaps.append(gap)
        forced.append(newest == 1 and first == 0 and n - 1 not in top(row, capacity)[0])
    return kept, min(gaps), any(forced)


def knorm(q, k, v, capacity):
    return choose(-np.linalg.norm(k, axis=-1), capacity)


def keydiff(q, k, v, capacity):
    directions = k / np.linalg.norm(k, axis=-1, keepdims=True)
    anchor = directions.mean(axis=1, keepdims=True)
    cosine = (k * anchor).sum(-1) / np.linalg.norm(k, axis=-1) / np.linalg.norm(anchor, axis=-1)
    return choose(-cosine, capacity)


def pooled(scores, kernel, pooling):
    fill = 0 if pooling == "average" else -np.inf
    padded = np.pad(scores, ((0, 0), (kernel // 2, kernel // 2)), constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=-1)
    return windows.mean(-1) if pooling == "average" else windows.max(-1)


def snapkv(q, k, v, capacity, observationWindow=64, kernel=5, pooling="average", aggregation="mean"):
    n, w = k.shape[1], observationWindow
    scores = attention(q, k, n - w)[:, :, : n - w].mean(axis=1)
    scores = pooled(scores, kernel, pooling)
    scores = by_kv_head(scores, k.shape[0], np.mean if aggregation == "mean" else np.max)
    scores = np.pad(scores, ((0, 0), (0, w)), constant_values=scores.max())
    return choose(scores, capacity, newest=w)


def pyramidkv(q, k, v, capacity, layers=1, layer=0, steepness=20, observationWindow=64, **snap):
    """PyramidKVCluster of KVCache-Factory with a real step between layers, each layer's size rounded down."""
    n, w = k.shape[1], observationWindow
    size = capacity
    if layers > 1 and w < capacity < n and n >= 2 * (capacity - w):
        least = (capacity - w) // steepness
        most = 2 * (capacity - w) - least
        if most >= n - w:
            most, least = n - w, 2 * (capacity - w) - (n - w)
        size = w + int(np.floor(most - layer * (most - least) / (layers - 1) + 1e-9))
    return snapkv(q, k, v, size, observationWindow=w, **snap)


def adakv(
    q, k, v, capacity, observationWindow=64, kernel=5, pooling="average", aggregation="mean",
    allocation="protected", floorFraction=0.2, normalize=False,
):  # fmt: skip
    n, w, kv = k.shape[1], observationWindow, k.shape[0]
    scores = attention(q, k, n - w)[:, :, : n - w].mean(axis=1)
    scores = by_kv_head(scores, kv, np.mean if aggregation == "mean" else np.max)
    scores = pooled(scores, kernel, pooling)
    base = capacity - w
    ranked = -np.sort(-scores, axis=-1)
    factor = ranked[:, :base].sum(-1) / ranked.sum(-1) if normalize else np.ones(kv)
    ranked = ranked * factor[:, None]
    safe = max(0, int(floorFraction * capacity) - w) if allocation == "protected" else 0
    rest = ranked[:, safe:]
    best, shared_gap = top(rest.ravel(), kv * (base - safe))
    counts = np.bincount(best // rest.shape[1], minlength=kv) + safe
    if allocation == "mixed":
        parts = (1 - floorFraction) * counts + floorFraction * base
        counts = np.floor(parts + 1e-9).astype(int)
        for head in np.argsort(-(parts - counts), kind="stable")[: kv * base - counts.sum()]:
            counts[head] += 1
    kept, gaps = [], [shared_gap]
    for row, count in zip(scores, counts):
        best, gap = top(row, count)
        kept.append(sorted(best.tolist()) + list(range(n - w, n)))
        gaps.append(gap)
    return kept, min(gaps), False


def h2o_sizes(capacity):
    return capacity // 2, capacity - capacity // 2


def h2o(q, k, v, capacity):
    """H2OKVCache_LayerWise of utils_real_drop after the prompt: column sums of the causal attention matrix."""
    heavy, recent = h2o_sizes(capacity)
    scores = by_kv_head(attention(q, k, 0).sum(axis=1), k.shape[0])
    kept, gap, _ = choose(scores, capacity, newest=recent)
    return kept, gap, False


def h2o_decode(q, k, capacity, tokens):
    """Positions held by each KV head after each generated token has attended and been counted."""
    heavy, recent = h2o_sizes(capacity)
    group = q.shape[0] // k.shape[0]
    scores = by_kv_head(attention(q[:, :PROMPT], k[:, :PROMPT], 0).sum(axis=1), k.shape[0])
    kept, gap, _ = choose(scores, capacity, newest=recent)
    gaps, result = [gap], []
    for head in range(k.shape[0]):
        held, score = np.array(kept[head]), scores[head][kept[head]]
        for token in range(PROMPT, tokens):
            held, score = np.append(held, token), np.append(score, 0)
            queries = q[head * group : (head + 1) * group, token]
            score = score + softmax(queries @ k[head, held].T / np.sqrt(q.shape[-1])).mean(axis=0)
            stay, gap, _ = choose(score[None], capacity, newest=recent)
            held, score = held[stay[0]], score[stay[0]]
            gaps.append(gap)
        result.append(held.tolist())
    return result, min(gaps)


def tova(q, k, v, capacity, decode=True):
    row = attention(q, k, k.shape[1] - 1)[:, 0].mean(axis=0)
    return choose(np.stack([row] * k.shape[0]), capacity)


def tova_decode(q, k, capacity, tokens):
    """What is left after each generated token has attended: the cache is cut to its capacity by that token's row."""
    held = np.array(tova(q[:, :PROMPT], k[:, :PROMPT], None, capacity)[0][0])
    gaps = []
    for token in range(PROMPT, tokens):
        held = np.append(held, token)
        keys = np.repeat(k[:, held], q.shape[0] // k.shape[0], axis=0)
        logits = np.einsum("hd,hkd->hk", q[:, token], keys) / np.sqrt(q.shape[-1])
        kept, gap, _ = choose(softmax(logits).mean(axis=0)[None], capacity)
        held = held[kept[0]]
        gaps.append(gap)
    return held.tolist(), min(gaps)


def lagkv(q, k, v, capacity, sinks=4, lag=128):
    heads, n, d = k.shape
    parts = (n - sinks) // lag
    if n < sinks + 2 * lag:
        return choose(np.tile(np.arange(n) / n, (heads, 1)), capacity, first=sinks)

    def importance(x):
        x = x[:, sinks : sinks + parts * lag].reshape(heads, parts, lag, d)
        low, high = x[:, 1:].min(axis=2, keepdims=True), x[:, 1:].max(axis=2, keepdims=True)
        return softmax(((x[:, :-1] - low) / (high - low)).std(axis=-1, ddof=1))

    both = (importance(k) + importance(v)) / 2
    ranks = both.argsort(axis=-1).argsort(axis=-1) / lag
    ordered = np.sort(both, axis=-1)
    spread = (np.diff(ordered, axis=-1) / ordered.max()).min()
    scores = np.pad(ranks.reshape(heads, -1), ((0, 0), (sinks, n - sinks - (parts - 1) * lag)))
    tail = n - sinks - (parts - 1) * lag
    kept, _, forced = choose(scores, capacity, first=sinks, newest=tail)
    return kept, spread, forced


def rotations(positions, d, base, layout):
    """Rotation matrices (position, d, d)."""
    angles = np.outer(positions, base ** (-2 * np.arange(d // 2) / d))
    first = np.arange(d // 2) * (2 if layout == "interleaved" else 1)
    second = first + (1 if layout == "interleaved" else d // 2)
    matrices = np.zeros((len(positions), d, d))
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angles)
    matrices[:, second, first], matrices[:, first, second] = np.sin(angles), -np.sin(angles)
    return matrices


def expected_attention(
    q, k, v, capacity, sinks=4, futurePositions=512, covariance=True, valueNorm=True, epsilon=0,
    rotary=None,
):  # fmt: skip
    (heads, n, d), kv = q.shape, k.shape[0]
    mean_rotation = np.eye(d)
    if rotary:
        q = np.einsum("nji,hnj->hni", rotations(np.arange(n), d, **rotary), q)
        mean_rotation = rotations(n + np.arange(futurePositions), d, **rotary).mean(axis=0)
    queries = q[:, sinks:]
    mean = queries.mean(axis=1) @ mean_rotation.T
    keys = np.repeat(k[:, sinks:], heads // kv, axis=0)
    logits = np.einsum("hd,hkd->hk", mean, keys) / np.sqrt(d)
    if covariance:
        spread = np.stack([np.cov(x.T, bias=True) for x in queries])
        spread = mean_rotation @ spread @ mean_rotation.T
        logits += np.einsum("hki,hij,hkj->hk", keys, spread, keys) / d / 2
    scores = by_kv_head(softmax(logits), kv)
    if valueNorm:
        scores = (scores + epsilon) * np.linalg.norm(v[:, sinks:], axis=-1)
    scores = np.pad(scores, ((0, 0), (sinks, 0)))
    return choose(scores, capacity, first=sinks)


def quest(q, k, token, pages, page=16):
    """Tokens that each query head attends to at a decode step: the current page and the best others."""
    keys = k[:, : token + 1]
    count = -(-keys.shape[1] // page)
    blocks = [keys[:, p * page : (p + 1) * page] for p in range(count)]
    chosen, gaps = [], []
    for head in range(q.shape[0]):
        kv = head // (q.shape[0] // k.shape[0])
        query = q[head, token]
        bound = [
            np.maximum(query * block[kv].min(axis=0), query * block[kv].max(axis=0)).sum()
            for block in blocks
        ]
        best, gap = top(np.array(bound[:-1]), min(pages - 1, count - 1))
        chosen.append(sorted(best.tolist()) + [count - 1])
        gaps.append(gap)
    return chosen, min(gaps)


def main(folder):
    q, k, v = tensors(f"{folder}/golden_small.safetensors")
    prompt = [x[:, :PROMPT] for x in (q, k, v)]
    methods = {"knorm": knorm, "keydiff": keydiff, "snapkv": snapkv, "tova": tova, "lagkv": lagkv}
    methods |= {"expected-attention": expected_attention, "pyramidkv": pyramidkv}
    methods |= {"adakv": adakv, "h2o": h2o}
    wanted = [(name, {}, t) for name in ("knorm", "keydiff", "tova") for t in (1, 25, 100, 255)]
    wanted += [("snapkv", {}, t) for t in (40, 64, 65, 100, 200)]
    wanted += [
        ("snapkv", {"observationWindow": 32, "kernel": 7, "pooling": "maximum"}, 100),
        ("snapkv", {"observationWindow": 16, "kernel": 5, "aggregation": "maximum"}, 60),
        ("snapkv", {"observationWindow": 1, "kernel": 1}, 50),
        ("snapkv", {"observationWindow": 8, "kernel": 7, "pooling": "maximum"}, 25),
    ]
    small = {"observationWindow": 16, "kernel": 5}
    wanted += [("pyramidkv", {**small, "layers": 5, "layer": l}, 60) for l in range(5)]
    wanted += [
        ("pyramidkv", {**small, "steepness": 2, "layers": 3, "layer": 2}, 60),
        ("pyramidkv", {**small, "steepness": 1, "layers": 3, "layer": 0}, 60),
        # The first layer is full; more than half of the prompt: no slope; no more than the window; one layer.
        ("pyramidkv", {**small, "layers": 3, "layer": 0}, 136),
        ("pyramidkv", {**small, "layers": 3, "layer": 2}, 136),
        ("pyramidkv", {**small, "layers": 3, "layer": 0}, 150),
        ("pyramidkv", {"layers": 3, "layer": 2}, 40),
        ("pyramidkv", {}, 100),
    ]
    wanted += [("adakv", {}, t) for t in (65, 100, 200)]
    wanted += [
        ("adakv", {**small, **x}, t) for t in (40, 90) for x in (
            {}, {"floorFraction": 0}, {"floorFraction": 0.9}, {"normalize": True, "floorFraction": 0},
            {"allocation": "mixed"}, {"allocation": "mixed", "floorFraction": 0.5, "normalize": True},
            {"allocation": "mixed", "kernel": 7, "pooling": "maximum", "aggregation": "maximum"},
        )
    ]  # fmt: skip
    wanted += [("h2o", {}, t) for t in (1, 2, 25, 60, 100, 255)]
    wanted += [("lagkv", {}, t) for t in (3, 60)]
    wanted += [("lagkv", {"lag": 32}, t) for t in (20, 64, 100, 150)]
    wanted += [("lagkv", {"lag": 40, "sinks": 0}, 130)]
    rotary = {"base": 10000.0, "layout": "interleaved"}
    wanted += [("expected-attention", x, 60) for x in (
        {}, {"covariance": False}, {"valueNorm": False}, {"epsilon": 0.01, "sinks": 0},
        {"rotary": rotary}, {"rotary": {**rotary, "layout": "halfSplit"}, "futurePositions": 100},
    )]  # fmt: skip
    cases = []
    for name, parameters, tokens in wanted:
        kept, gap, forced = methods[name](*prompt, tokens, **parameters)
        assert gap > MINIMUM_GAP, (name, parameters, tokens, gap)
        cases.append(
            {"strategy": name, "rotary": parameters.pop("rotary", None),
             "layers": parameters.pop("layers", 1), "layer": parameters.pop("layer", 0),
             "parameters": {**parameters, "budget": {"tokens": tokens}}, "kept": kept, "gap": None if np.isinf(gap) else float(f"{gap:.2g}"),
             "newestForced": bool(forced)}
        )  # fmt: skip
    decode = []
    for tokens in (10, 60):
        held, gap = tova_decode(q, k, tokens, 303)
        assert gap > MINIMUM_GAP, ("tova", tokens, gap)
        decode.append({"tokens": tokens, "heldAfter": 302, "held": held, "gap": float(f"{gap:.2g}")})
    heavy = []
    for tokens in (10, 60):
        for last in (256, 302):
            held, gap = h2o_decode(q, k, tokens, last + 1)
            assert gap > MINIMUM_GAP, ("h2o", tokens, last, gap)
            heavy.append({"tokens": tokens, "heldAfter": last, "held": held, "gap": float(f"{gap:.2g}")})
    steps = []
    for token in (256, 257, 270, 271, 272, 303):
        for pages in (1, 4, 9):
            chosen, gap = quest(q, k, token, pages)
            assert gap > MINIMUM_GAP, ("quest", token, pages, gap)
            steps.append({"token": token, "pages": pages, "chosen": chosen})
    lines = [
        f'"versions": {json.dumps({"numpy": np.__version__, "python": platform.python_version()})}',
        f'"promptTokens": {PROMPT}',
    ]
    for name, rows in (("eviction", cases), ("tovaDecode", decode), ("h2oDecode", heavy), ("quest", steps)):
        lines.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    with open(f"{folder}/baselines.json", "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
