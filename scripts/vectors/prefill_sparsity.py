#!/usr/bin/env python3
"""Writes Tests/Golden/prefill-sparsity.json: what MInference, FlexPrefill and XAttention attend to in a stored case.

    python3 -m pip install numpy==2.4.6
    python3 scripts/vectors/prefill_sparsity.py Tests/Golden

Written from the methods' papers and repositories in float64, as whole masks and full sorts, independent of this
repository's Swift. It is no run of the methods' own libraries, which need a GPU. Input: q (4 query heads), k (2 KV heads)
of golden_small.safetensors, the first 256 or 299 tokens or all 304, 16 channels. Every case holds the strategy's name and
parameters, the prompt's length, `runs`: by query head and block of queries, what the block's last query attends to as
[first, end) ranges, and `gap`: how far the nearest decision is from falling otherwise, relative to what is compared
(float32 is good to about 1e-6). `calibration` holds the figures of the offline phases on all 304 tokens.

Rules of this repository: equal scores go to the lower place, and every query attends to itself.
"""

import json
import platform
import sys

import numpy as np

from baselines import attention, softmax, tensors, top

MINIMUM_GAP = 3e-6


class Gaps:
    """The least margin of a case's decisions."""

    def __init__(self):
        self.least = np.inf

    def note(self, gap):
        self.least = min(self.least, float(gap))

    def cover(self, sums, limit):
        """How many running sums are at most the limit."""
        self.note(np.abs(sums - limit).min())
        return int((sums <= limit).sum())


def causal_mask(n):
    return np.tri(n, dtype=bool)


def to_tokens(block_mask, size, n):
    mask = np.kron(block_mask, np.ones((size, size), dtype=bool))[:n, :n]
    return mask & causal_mask(n) | np.eye(n, dtype=bool)


def padded_blocks(x, size):
    n = len(x)
    blocks = -(-n // size)
    return np.pad(x, ((0, blocks * size - n), (0, 0))).reshape(blocks, size, -1)


def ragged_mean(x, size):
    sums = padded_blocks(x, size).sum(axis=1)
    counts = np.full(len(sums), size)
    counts[-1] = len(x) - size * (len(sums) - 1)
    return sums / counts[:, None]


def observed(weights):
    """Sums of last rows (query, key) by column, and by distance."""
    rows, n = weights.shape
    columns = weights.sum(axis=0)
    distances = np.zeros(n)
    for row in range(rows):
        query = n - rows + row
        distances[: query + 1] += weights[row, : query + 1][::-1]
    return columns, distances


def best(scores, count, gaps):
    finite = np.isfinite(scores)
    chosen, _ = top(np.where(finite, scores, 1e9), count)
    if count < len(scores) and count >= (~finite).sum():
        inside = scores[chosen][np.isfinite(scores[chosen])]
        outside = np.delete(scores, chosen)
        if len(inside):
            gaps.note((inside.min() - outside.max()) / inside.max())
    return chosen


def vertical_slash(q, k, gaps, verticals, slashes, lastQueries=64, blockSize=64, **_):
    n = len(k)
    columns, distances = observed(attention(q[None], k[None], max(0, n - lastQueries))[0])
    columns[:30] = np.inf
    distances[:100] = np.inf
    kept = best(columns, verticals, gaps)
    slash = np.sort(best(distances, slashes, gaps))[::-1]
    mask = np.zeros((n, n), dtype=bool)
    mask[:, kept] = True
    for start in range(0, n, blockSize):
        end = start + blockSize
        ends = [max(end - s, blockSize) for s in slash if s < end]
        low, high = ends[0] - blockSize, ends[0]
        ranges = []
        for stop in ends[1:]:
            if stop > high + blockSize:
                ranges.append((low, high))
                low, high = stop - blockSize, stop
            elif stop > high:
                high += blockSize
        for low, high in ranges + [(low, high)]:
            mask[start:end, low:high] = True
    return mask & causal_mask(n) | np.eye(n, dtype=bool)


def block_sparse(q, k, gaps, topBlocks, blockSize=64, **_):
    n = len(k)
    products = padded_blocks(q, blockSize).mean(axis=1) @ padded_blocks(k, blockSize).mean(axis=1).T
    mask = np.zeros(products.shape, dtype=bool)
    for row in range(len(products)):
        scores = products[row, : row + 1]
        chosen, gap = top(scores, min(topBlocks, row + 1))
        gaps.note(gap)
        mask[row, chosen] = True
    return to_tokens(mask, blockSize, n)


def a_shape(n, initial, local):
    rows, columns = np.indices((n, n))
    return causal_mask(n) & ((columns < initial) | (rows - columns < local))


CANDIDATES = [
    ("aShape", 100, 800), ("verticalSlash", 30, 800), ("verticalSlash", 100, 750),
    ("verticalSlash", 500, 700), ("verticalSlash", 3500, 100),
]  # fmt: skip


def candidate_mask(q, k, kind, first, second, gaps, **sizes):
    if kind == "aShape":
        return a_shape(len(k), first, max(1, second))
    if kind == "blockSparse":
        return block_sparse(q, k, gaps, first, **sizes)
    first, second = max(first, 30), max(second, 50)
    return vertical_slash(q, k, gaps, min(first, len(k)), min(second, len(k)), **sizes)


def minference(q, k, gaps, pattern="vertical-slash", verticals=1000, slashes=6096, topBlocks=100, **sizes):
    if pattern == "block-sparse":
        return block_sparse(q, k, gaps, topBlocks, **sizes)
    return candidate_mask(q, k, "verticalSlash", verticals, slashes, gaps, **sizes)


def flex_prefill(q, k, gaps, gamma, tau, minBudget, blockSize=128):
    n, d = k.shape
    size = blockSize
    blocks = -(-n // size)
    least = max(1, -(-minBudget // size))
    if n <= max(2 * size, least * size):
        return causal_mask(n)
    weights = attention(q[None], k[None], n - size)[0]
    columns, distances = (x / size for x in observed(weights))
    counts = []
    for share in (columns, distances):
        covered = gaps.cover(np.cumsum(np.sort(share)[::-1]), gamma) + 1
        counts.append(min(max(covered // size + 1, least), blocks))
    by_column = padded_blocks(columns[:, None], size).sum(axis=(1, 2))
    by_distance = padded_blocks(distances[::-1][:, None], size).sum(axis=(1, 2))
    mean_keys = ragged_mean(k, size)
    estimate = softmax(q[-size:].mean(axis=0) @ mean_keys.T / np.sqrt(d))
    middle = (estimate + by_column) / 2
    terms = estimate * np.log(estimate / middle) + by_column * np.log(by_column / middle)
    divergence = np.sqrt(0.5 * terms.sum())
    gaps.note(abs(divergence - tau))
    mask = np.zeros((blocks, blocks), dtype=bool)
    if divergence < tau:
        counts = [least, least]
        logits = ragged_mean(q, size) @ mean_keys.T / np.sqrt(d)
        logits[~causal_mask(blocks)] = -np.inf
        flat = softmax(logits).ravel()
        order = np.argsort(-flat, kind="stable")
        mask.ravel()[order[: gaps.cover(np.cumsum(flat[order]), gamma * blocks)]] = True
    by_column[0] = np.inf
    by_distance[-1] = np.inf
    mask[:, best(by_column, counts[0], gaps)] = True
    for offset in blocks - 1 - best(by_distance, counts[1], gaps):
        mask |= np.eye(blocks, k=-offset, dtype=bool)
    return to_tokens(mask & causal_mask(blocks), size, n)


def antidiagonal_scores(q, k, stride, blockSize):
    n, d = k.shape
    cells = -(-n // stride)
    fill = ((0, cells * stride - n), (0, 0))
    queries = np.pad(q, fill).reshape(cells, stride, d)[:, ::-1].reshape(cells, -1)
    keys = np.pad(k, fill).reshape(cells, stride * d)
    logits = queries @ keys.T / np.sqrt(d) / stride
    logits[~causal_mask(cells)] = -np.inf
    weights = softmax(logits)
    side = blockSize // stride
    blocks = -(-n // blockSize)
    weights = np.pad(weights, ((0, blocks * side - cells), (0, blocks * side - cells)))
    return weights.reshape(blocks, side, blocks, side).sum(axis=(1, 3))


def xattention(q, k, gaps, threshold, stride=16, blockSize=128):
    scores = antidiagonal_scores(q, k, stride, blockSize)
    mask = np.eye(len(scores), dtype=bool)
    mask[:, 0] = True
    for row in range(len(scores)):
        total = scores[row].sum()
        taken = scores[row, mask[row]].sum()
        others = [c for c in np.argsort(-scores[row], kind="stable") if not mask[row, c] and c <= row]
        if others:
            sums = taken + np.concatenate([[0], np.cumsum(scores[row, others])])[:-1]
            gaps.note(np.abs(sums - threshold * total).min() / total)
            count = int((sums < threshold * total).sum())
            if 0 < count < len(others):
                ordered = scores[row, others]
                gaps.note((ordered[count - 1] - ordered[count]) / ordered[0])
            mask[row, others[:count]] = True
    return to_tokens(mask & causal_mask(len(scores)), blockSize, len(k))


def xattention_threshold(q, k, stride, blockSize):
    n = len(k)
    weights = attention(q[None], k[None], 0)[0]
    blocks = -(-n // blockSize)
    fill = blocks * blockSize - n
    true = np.pad(weights, ((0, fill), (0, fill))).reshape(blocks, blockSize, blocks, blockSize)
    true = true.sum(axis=(1, 3))
    scores = antidiagonal_scores(q, k, stride, blockSize)
    taken = 0
    for row in range(blocks):
        order = np.argsort(-true[row], kind="stable")
        needed = int((np.cumsum(true[row, order]) < 0.9 * true[row].sum()).sum()) + 1
        least = scores[row, order[:needed]].min()
        taken += scores[row, scores[row] >= least].sum()
    return taken / scores.sum()


def runs(mask):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges.reshape(-1, 2).tolist()


def main(folder):
    q, k, _ = tensors(f"{folder}/golden_small.safetensors")
    group = len(q) // len(k)
    methods = {"minference": minference, "flex-prefill": flex_prefill, "xattention": xattention}
    wanted = []
    for n in (256, 299, 304):
        wanted += [
            ("minference", {"verticals": v, "slashes": s, "blockSize": 16, "lastQueries": 32}, n)
            for v, s in ((30, 50), (60, 120), (31, 101), (120, 60))
        ]
        wanted += [("minference", {"verticals": 40, "slashes": 110}, n)]
        wanted += [
            ("minference", {"pattern": "block-sparse", "topBlocks": t, "blockSize": 16}, n) for t in (1, 4, 10)
        ]
        wanted += [("minference", {"pattern": "block-sparse", "topBlocks": 2}, n)]
        wanted += [
            ("flex-prefill", {"gamma": g, "tau": t, "minBudget": m, "blockSize": 16}, n)
            for g, t, m in ((0.9, 0.1, 0), (0.9, 0.35, 16), (0.62, 0.35, 40), (0.62, 0, 0), (0.95, 1, 16), (0.3, 1, 0))
        ]
        wanted += [
            ("xattention", {"threshold": t, "stride": s, "blockSize": 16}, n)
            for t in (0.3, 0.6, 0.9) for s in (4, 8, 16)
        ]
        wanted += [("xattention", {"threshold": 0.7, "stride": 8, "blockSize": 64}, n)]
    cases = []
    for name, parameters, n in wanted:
        gaps = Gaps()
        size = parameters.get("blockSize", 64)
        found = []
        for head in range(len(q)):
            mask = methods[name](q[head, :n], k[head // group, :n], gaps, **parameters)
            found.append([runs(mask[min(end, n) - 1]) for end in range(size, n + size, size)])
        assert gaps.least > MINIMUM_GAP, (name, parameters, n, gaps.least)
        cases.append(
            {"strategy": name, "parameters": parameters, "promptTokens": n, "runs": found,
             "gap": float(f"{gaps.least:.2g}") if np.isfinite(gaps.least) else None}
        )  # fmt: skip
    # The ratio scales columns and diagonals, and not the number of blocks.
    scale, top_blocks, sizes = 0.08, 8, {"lastQueries": 32, "blockSize": 16}
    thresholds, masses = [], []
    for head in range(len(q)):
        pair = q[head], k[head // group]
        thresholds.append(xattention_threshold(*pair, 8, 16))
        dense = attention(pair[0][None], pair[1][None], 0)[0]
        n = len(pair[1])
        rows = []
        for kind, first, second in [("verticalSlash", 1000, 6096), ("blockSparse", top_blocks, 0)] + CANDIDATES:
            gaps = Gaps()
            if kind != "blockSparse":
                first, second = int(first * scale), int(second * scale)
            mask = candidate_mask(*pair, kind, first, second, gaps, **sizes)
            assert gaps.least > MINIMUM_GAP, (kind, first, second, gaps.least)
            rows.append((dense * mask)[n // 2 :].sum(axis=1).mean())
        masses.append(rows)
    calibration = {
        "xattention": {"stride": 8, "blockSize": 16, "thresholds": thresholds},
        "minference": {"scale": scale, **sizes, "masses": masses},
    }
    versions = {"numpy": np.__version__, "python": platform.python_version()}
    with open(f"{folder}/prefill-sparsity.json", "w", encoding="utf-8") as file:
        file.write(f'{{\n"versions": {json.dumps(versions)},\n"calibration": {json.dumps(calibration)},\n"cases": [\n')
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
