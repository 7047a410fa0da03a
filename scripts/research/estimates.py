#!/usr/bin/env python3
"""What a decode query may leave unread, or hold in few bits, at the loss of a q8_0 cache.

A model of the KV cache, not the engine: both catalogue models in float32 (weights dequantised from their GGUF files), a
window's prompt by dense causal attention, its last tokens scored together, each row attending as the cache under test
would let it. Written for one GPU (CuPy); with NumPy alone a window of 8,192 tokens takes minutes a row.

  python3 estimates.py run --model smollm2-135m-instruct --texts persuasion --windows 3 --length 8192 --out dev.csv
  python3 estimates.py summary verdict.csv > summary.csv

Needs numpy, gguf and, on a GPU, cupy; `tca-lab` on the PATH cuts the texts into tokens. Lengths include the scored
tokens. Differences and divergences are against the float32 cache of the same window.
"""
import argparse, collections, csv, fractions, json, math, pathlib, re, subprocess, sys, tempfile

import numpy as np

try:
    import cupy as xp
except ImportError:
    xp = np

F = xp.float32
HIDDEN = F(-1e30)
ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {"smollm2-135m-instruct": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3-270m": "gemma-3-270m-q4_k_m.gguf"}
SCORED = 256


def host(a):
    return xp.asnumpy(a) if xp is not np else a


# MARK: models


class Model:
    """llama and gemma3, as far as the two catalogue models need."""

    def __init__(self, path):
        import gguf

        reader = gguf.GGUFReader(path)
        field = lambda name: reader.fields[name].contents()
        self.kind = kind = field("general.architecture")
        self.gemma = kind == "gemma3"
        self.layers = field(f"{kind}.block_count")
        self.width = field(f"{kind}.embedding_length")
        self.heads = field(f"{kind}.attention.head_count")
        self.kv_heads = field(f"{kind}.attention.head_count_kv")
        self.epsilon = field(f"{kind}.attention.layer_norm_rms_epsilon")
        self.base = field(f"{kind}.rope.freq_base")
        self.d = field(f"{kind}.attention.key_length") if self.gemma else self.width // self.heads
        self.window = field(f"{kind}.attention.sliding_window") if self.gemma else None
        self.w = {t.name: xp.asarray(gguf.dequantize(t.data, t.tensor_type).astype(np.float32)) for t in reader.tensors}

    def is_global(self, layer):
        return not self.gemma or layer % 6 == 5

    def norm(self, x, weight):
        return x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + F(self.epsilon)) * weight

    def rotate(self, x, positions, layer):
        half = self.d // 2
        base = self.base if self.is_global(layer) else 10000.0
        angle = xp.asarray(np.asarray(positions)[:, None] * base ** (-np.arange(half) * 2.0 / self.d))
        c, s = xp.cos(angle).astype(F), xp.sin(angle).astype(F)
        if self.gemma:
            a, b = x[..., :half], x[..., half:]
            return xp.concatenate([a * c - b * s, a * s + b * c], axis=-1)
        a, b = x[..., 0::2], x[..., 1::2]
        out = xp.empty_like(x)
        out[..., 0::2], out[..., 1::2] = a * c - b * s, a * s + b * c
        return out

    def forward(self, ids, positions, attend):
        """The final rows; `attend(layer, q, k, v)` of (heads x tokens x d), q scaled, gives the same shape as q."""
        w, count = self.w, len(ids)
        x = w["token_embd.weight"][xp.asarray(ids)]
        if self.gemma:
            x = x * F(math.sqrt(self.width))
        for layer in range(self.layers):
            of = lambda name: w[f"blk.{layer}.{name}.weight"]
            h = self.norm(x, of("attn_norm"))
            split = lambda y, heads: y.reshape(count, heads, self.d).transpose(1, 0, 2)
            q, k = split(h @ of("attn_q").T, self.heads), split(h @ of("attn_k").T, self.kv_heads)
            v = xp.ascontiguousarray(split(h @ of("attn_v").T, self.kv_heads))
            if self.gemma:
                q, k = self.norm(q, of("attn_q_norm")), self.norm(k, of("attn_k_norm"))
            q, k = self.rotate(q, positions, layer), self.rotate(k, positions, layer)
            out = attend(layer, q * F(self.d**-0.5), k, v)
            out = out.transpose(1, 0, 2).reshape(count, -1) @ of("attn_output").T
            x = x + (self.norm(out, of("post_attention_norm")) if self.gemma else out)
            h = self.norm(x, of("ffn_norm"))
            gate, up = h @ of("ffn_gate").T, h @ of("ffn_up").T
            if self.gemma:
                gate = 0.5 * gate * (1 + xp.tanh(F(math.sqrt(2 / math.pi)) * (gate + F(0.044715) * gate**3)))
            else:
                gate = gate / (1 + xp.exp(-gate))
            out = (gate * up) @ of("ffn_down").T
            x = x + (self.norm(out, of("post_ffw_norm")) if self.gemma else out)
        return self.norm(x, w["output_norm.weight"])

    def log_probabilities(self, rows):
        z = rows @ self.w["token_embd.weight"].T
        z = z - z.max(axis=-1, keepdims=True)
        return z - xp.log(xp.exp(z).sum(axis=-1, keepdims=True))


# MARK: attention


def softmax(z):
    z = xp.exp(z - z.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def logits(q, k):
    (heads, rows, d), kv = q.shape, k.shape[0]
    return xp.matmul(q.reshape(kv, heads // kv * rows, d), k.transpose(0, 2, 1)).reshape(heads, rows, -1)


def weighted(p, v):
    (heads, rows, n), kv = p.shape, v.shape[0]
    return xp.matmul(p.reshape(kv, heads // kv * rows, n), v).reshape(heads, rows, -1)


def dense(q, k, v, first, window=None, piece=512):
    """Causal attention of queries at `first`… to keys at 0…"""
    out = xp.empty_like(q)
    for a in range(0, q.shape[1], piece):
        b = min(q.shape[1], a + piece)
        low, high = max(0, first + a - window + 1) if window else 0, first + b
        i, j = xp.arange(first + a, first + b)[:, None], xp.arange(low, high)[None]
        seen = (j <= i) & (j > i - window) if window else j <= i
        p = softmax(xp.where(seen[None], logits(q[:, a:b], k[:, low:high]), HIDDEN))
        out[:, a:b] = weighted(p, v[:, low:high])
    return out


# MARK: formats, of rows (heads x tokens x d)


def half(x):
    return x.astype(xp.float16).astype(F)


def q8_0(x):
    b = x.reshape(*x.shape[:-1], -1, 32)
    step = xp.abs(b).max(-1, keepdims=True) / 127
    inverse = xp.where(step > 0, 1 / xp.where(step > 0, step, 1), 0)
    return (xp.rint(b * inverse) * half(step)).reshape(x.shape)


def q4_0(x):
    b = x.reshape(*x.shape[:-1], -1, 32)
    step = xp.take_along_axis(b, xp.abs(b).argmax(-1)[..., None], -1) / -8
    inverse = xp.where(step != 0, 1 / xp.where(step != 0, step, 1), 0)
    return ((xp.clip(xp.floor(b * inverse + 8.5), 0, 15) - 8) * half(step)).reshape(x.shape)


def asymmetric(b, axis):
    """2 bits between a group's extremes."""
    low, high = b.min(axis, keepdims=True), b.max(axis, keepdims=True)
    step, low = half((high - low) / 3), half(low)
    return xp.where(step > 0, xp.clip(xp.rint((b - low) / xp.where(step > 0, step, 1)), 0, 3) * step + low, low)


def kivi2(k, v):
    heads, n, d = k.shape
    whole, keys = n // 32 * 32, k.copy()
    keys[:, :whole] = asymmetric(k[:, :whole].reshape(heads, -1, 32, d), 2).reshape(heads, whole, d)
    return keys, asymmetric(v.reshape(heads, n, d // 32, 32), 3).reshape(v.shape)


_hadamard = {}


def rotated(x):
    """By the Hadamard matrix, which undoes itself."""
    d = x.shape[-1]
    if d not in _hadamard:
        h = np.ones((1, 1))
        while len(h) < d:
            h = np.block([[h, h], [h, -h]])
        _hadamard[d] = xp.asarray((h / math.sqrt(d)).astype(np.float32))
    return x @ _hadamard[d]


def nested_codes(x, prompt):
    """Mean taken off, rotated, 8 bits between plus and minus a row's largest number: (mean, codes, scales)."""
    mean = x[:, :prompt].mean(1, keepdims=True)
    y = rotated(x - mean)
    scale = half(xp.abs(y).max(-1, keepdims=True) / 127.5)
    scale = xp.where(scale > 0, scale, 1)
    return mean, xp.clip(xp.floor(y / scale), -128, 127), scale


def nested(x, prompt):
    mean, codes, scale = nested_codes(x, prompt)
    return rotated((codes + 0.5) * scale) + mean


_means = {}


def nested_high(x, prompt, bits):
    """What the highest bits of `nested` alone say: each cell's mean for a Gaussian row."""
    d = x.shape[-1]
    if (bits, d) not in _means:
        y = np.random.default_rng(1).standard_normal((40000, d))
        y /= np.abs(y).max(-1, keepdims=True) / 127.5
        cells = (np.clip(np.floor(y), -128, 127) + 128) // 2 ** (8 - bits)
        _means[bits, d] = xp.asarray(np.array([y[cells == i].mean() for i in range(2**bits)], np.float32))
    mean, codes, scale = nested_codes(x, prompt)
    cells = ((codes + 128) // 2 ** (8 - bits)).astype(xp.int32)
    return rotated(_means[bits, d][cells] * scale) + mean


_lloyd = {}


def lloyd(levels):
    """The best levels for a Gaussian, and the bounds between them."""
    if levels not in _lloyd:
        x = np.linspace(-6, 6, 200001)
        p, c = np.exp(-x * x / 2), np.linspace(-2, 2, levels)
        for _ in range(2000 if levels <= 20 else 200):
            cell = np.searchsorted((c[1:] + c[:-1]) / 2, x)
            new = np.bincount(cell, p * x, levels) / np.bincount(cell, p, levels)
            if np.abs(new - c).max() < 1e-9:
                break
            c = new
        _lloyd[levels] = xp.asarray(c.astype(np.float32)), xp.asarray(((c[1:] + c[:-1]) / 2).astype(np.float32))
    return _lloyd[levels]


def nearest(z, levels):
    c, bounds = lloyd(levels)
    return c[xp.searchsorted(bounds, z.ravel()).reshape(z.shape)]


def lloyd_rows(x, prompt, levels):
    """Mean taken off, rotated, one scale a row by least squares."""
    mean = x[:, :prompt].mean(1, keepdims=True)
    y = rotated(x - mean)
    size = xp.sqrt((y * y).mean(-1, keepdims=True))
    codes = nearest(y / xp.where(size > 0, size, 1), levels)
    factor = (y * codes).sum(-1, keepdims=True) / (codes * codes).sum(-1, keepdims=True)
    return rotated(codes * half(factor)) + mean


def axes(x, prompt, bits, queries=None, exact=4):
    """On the principal axes of the prompt (of keys: of what its queries see of them), each axis with a share of the bits by
    reverse water-filling and a scale of the prompt's; the first tokens exact."""
    out, d = xp.empty_like(x), x.shape[-1]
    for head in range(x.shape[0]):
        mean = x[head, exact:prompt].mean(0)
        y = x[head] - mean
        covariance = (y[exact:prompt].T @ y[exact:prompt]) / (prompt - exact)
        weight = inverse = xp.eye(d, dtype=F)
        if queries is not None:
            e, u = xp.linalg.eigh(queries[head].astype(xp.float64))
            e = xp.sqrt(xp.maximum(e, e.max() * 1e-4))
            weight, inverse = ((u * e) @ u.T).astype(F), ((u / e) @ u.T).astype(F)
        variance, u = xp.linalg.eigh((weight @ covariance @ weight).astype(xp.float64))
        u, variance = u.astype(F), np.maximum(host(variance), 1e-12)
        shares = lambda t: np.clip(np.rint(0.5 * np.log2(variance) - t), 0, 7)
        low, high = -60.0, 60.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if shares(middle).sum() > bits * d else (low, middle)
        share, size = shares(high), xp.asarray(np.sqrt(variance).astype(np.float32))
        z = y @ weight @ u / size
        codes = xp.zeros_like(z)
        for b in np.unique(share[share > 0]):
            columns = xp.asarray(np.nonzero(share == b)[0])
            codes[:, columns] = nearest(z[:, columns], 2 ** int(b))
        out[head] = (codes * size) @ u.T @ inverse + mean
        out[head, :exact] = x[head, :exact]
    return out


# MARK: scores of tokens (heads x tokens)


def ranks(x):
    return x.argsort(-1).argsort(-1)


def neighbourly(x, width, pool="mean"):
    """The mean, or the largest, of `width` tokens around each."""
    side, n = width // 2, x.shape[-1]
    padded = xp.pad(x, ((0, 0), (side, side)))
    around = xp.stack([padded[:, a : a + n] for a in range(width)])
    return around.mean(0) if pool == "mean" else around.max(0)


# MARK: one window


class Window:
    def __init__(self, model, ids):
        self.model, self.ids, self.prompt = model, np.asarray(ids), len(ids) - SCORED
        self.keys, self.values, self.queries, self.newest = {}, {}, {}, {}

        def keep(layer, q, k, v):
            self.keys[layer], self.values[layer] = k, v
            self.newest[layer] = q[:, -64:].copy()
            z = q[:, 256:].reshape(k.shape[0], -1, q.shape[2])
            self.queries[layer] = xp.matmul(z.transpose(0, 2, 1), z) / z.shape[1]
            return dense(q, k, v, 0, None if model.is_global(layer) else model.window)

        # The prompt's last row says the first scored token.
        self.last = model.forward(self.ids[: self.prompt], np.arange(self.prompt), keep)[-1:]
        self.reference = self.score(lambda layer, q, k, v: dense(q, k, v, self.prompt))
        self.targets = xp.asarray(self.ids[self.prompt :])

    def score(self, attend, keys=None, values=None, last=None):
        """Log probabilities, with `attend` in the layers that attend to everything."""
        model, keys, values = self.model, keys or self.keys, values or self.values

        def layer_attention(layer, q, k, v):
            k, v = xp.concatenate([keys[layer], k], 1), xp.concatenate([values[layer], v], 1)
            if not model.is_global(layer):
                return dense(q, k, v, self.prompt, model.window)
            return attend(layer, q, k, v)

        rows = model.forward(self.ids[self.prompt :], np.arange(self.prompt, len(self.ids)), layer_attention)
        return model.log_probabilities(xp.concatenate([self.last if last is None else last, rows], 0)[:SCORED])

    def stored(self, form):
        """The prompt, too, attends to keys and values as stored, in all layers."""
        keys, values = {}, {}

        def attend(layer, q, k, v):
            keys[layer], values[layer] = form(k), form(v)
            return dense(q, keys[layer], values[layer], 0, None if self.model.is_global(layer) else self.model.window)

        last = self.model.forward(self.ids[: self.prompt], np.arange(self.prompt), attend)[-1:]
        new = lambda x: xp.concatenate([x[:, : self.prompt], form(x[:, self.prompt :])], 1)
        return self.score(lambda layer, q, k, v: dense(q, new(k), new(v), self.prompt), keys, values, last)

    def losses(self, scores):
        rows = xp.arange(SCORED)
        nll, reference = -scores[rows, self.targets], -self.reference[rows, self.targets]
        divergence = (xp.exp(self.reference) * (self.reference - scores)).sum(-1)
        return float(nll.mean() - reference.mean()), float(divergence.mean()), float(nll.mean())

    # The caches under test: what a layer's scored rows attend to.

    def places(self, n):
        return xp.arange(self.prompt, self.prompt + SCORED)[:, None], xp.arange(n)[None]

    def two_tiers(self, codes, key_age, value_age):
        """Exact while young, else as `codes(layer, k, v)`; an age says for (query, key) whether it is old."""

        def attend(layer, q, k, v):
            i, j = self.places(k.shape[1])
            coded_keys, coded_values = codes(layer, k, v)
            z = xp.where(key_age(i, j)[None], logits(q, coded_keys), logits(q, k))
            p = softmax(xp.where((j <= i)[None], z, HIDDEN))
            old = value_age(i, j)[None]
            return weighted(xp.where(old, p, 0), coded_values) + weighted(xp.where(old, 0, p), v)

        return self.score(attend)

    def aged(self, codes, newest=128):
        old = lambda i, j: j <= i - newest
        return self.two_tiers(codes, old, old)

    def selected(self, share, rank_bits, rest, form, newest=64):
        """Each query attends exactly to `share` of the prompt's length, its largest logits as the highest `rank_bits` of a
        nested key say them (None: exact), and to the newest tokens. What `rest` says of the others: "nothing", "mean" (their
        mass on the mean of the prompt's values), or how many of the highest bits of their values are read."""

        def attend(layer, q, k, v):
            i, j = self.places(k.shape[1])
            seen = (j <= i)[None]
            keys, values = form(k, self.prompt), form(v, self.prompt)
            exact = xp.where(seen, logits(q, keys), HIDDEN)
            rank = exact if rank_bits is None else xp.where(seen, logits(q, nested_high(k, self.prompt, rank_bits)), HIDDEN)
            first = k.shape[1] - int(share * self.prompt)
            hot = (rank >= xp.partition(rank, first, axis=-1)[..., first][..., None]) | (j > i - newest)[None]
            hot &= seen
            top = exact.max(-1, keepdims=True)
            near, far = xp.where(hot, xp.exp(exact - top), 0), xp.where(hot | ~seen, 0, xp.exp(rank - top))
            return self.estimated(near, far, values, rest, lambda: nested_high(v, self.prompt, rest))

        return self.score(attend)

    def estimated(self, near, far, values, rest, coarse):
        """What is read whole, by the weights `near`, and what stands for the others, whose weights are `far`."""
        if rest == "nothing":
            return weighted(near, values) / near.sum(-1, keepdims=True)
        mass = far.sum(-1, keepdims=True)
        if rest == "mean":
            estimate = mass * xp.repeat(values[:, : self.prompt].mean(1), far.shape[0] // values.shape[0], 0)[:, None]
        else:
            estimate = weighted(far, coarse())
        return (weighted(near, values) + estimate) / (near.sum(-1, keepdims=True) + mass)


    def middles(self, x, bits):
        """The mean that was taken off, and turned rows by the highest bits of `nested` codes, each for the middle of its cell."""
        mean, codes, scale = nested_codes(x, self.prompt)
        step = 2 ** (8 - bits)
        return mean, (xp.floor((codes + 128) / step) * step + step / 2 - 128) * scale

    def coarse(self, x, bits):
        mean, rows = self.middles(x, bits)
        return rotated(rows) + mean

    def attended(self, layer, keys, heads="max"):
        """The mean weight of each of the prompt's tokens in its last 64 queries, of a group's heads the largest or the mean."""
        last, n = self.newest[layer], self.prompt
        seen = xp.arange(n)[None] <= xp.arange(n - last.shape[1], n)[:, None]
        weights = softmax(xp.where(seen[None], logits(last, keys[:, :n]), HIDDEN)).mean(1).reshape(keys.shape[0], -1, n)
        return weights.max(1) if heads == "max" else weights.mean(1)

    def tiered(self, share, key_bits, value_bits, gone=0.0, newest=64, sinks=4, pooled=(1, 1), heads="max", pool="mean"):
        """After the prompt all but a `share` of its tokens lose their lower bits for good, and a share `gone` of them leave
        altogether. What stays whole for a KV head are the first tokens, the newest, and those that are attended to most; what
        leaves is attended to least, counting as many neighbours as `pooled` says for the one and the other. Later tokens stay whole."""
        kept = {}

        def attend(layer, q, k, v):
            i, j = self.places(k.shape[1])
            if layer not in kept:
                n, weights = self.prompt, self.attended(layer, k, heads)
                most, least = (neighbourly(weights, width, pool) for width in pooled)
                most[:, :sinks] = most[:, n - newest :] = 2
                count = max(int(share * n), sinks + newest)
                whole, there = xp.ones((2, k.shape[0], k.shape[1]), bool)
                whole[:, :n] = ranks(most) >= n - count
                least = xp.where(whole[:, :n], 2, least)
                there[:, :n] = ranks(least) >= min(int(gone * n), n - count)
                kept[layer] = whole[..., None], xp.repeat(there, q.shape[0] // k.shape[0], 0)[:, None]
            whole, there = kept[layer]
            keys = xp.where(whole, nested(k, self.prompt), self.coarse(k, key_bits))
            values = xp.where(whole, nested(v, self.prompt), self.coarse(v, value_bits))
            return weighted(softmax(xp.where((j <= i)[None] & there, logits(q, keys), HIDDEN)), values)

        return self.score(attend)

    def split(self, budget, part, newest=64, sinks=4):
        """Which share of the prompt is whole, and which gone, for `tiers k4 v2` to hold the share `budget` of float16's bytes, mean
        over the scored steps. Whole tokens get the `part` of the prompt's bytes (None: what the first and newest need, and a
        sixteenth of the rest), and what is left over once all others are held coarse; who finds no room among these leaves."""
        n, d, later = self.prompt, self.model.d, (SCORED + 1) / 2
        whole, coarse = (2 * (2 + d)) / (4 * d), (2 + d / 2 + 2 + d / 4) / (4 * d)
        budget = (budget * (n + later) - whole * later) / n
        least = (sinks + newest) / n
        chosen = part * budget / whole if part is not None else least + (budget / whole - least) / 16
        share = max(chosen, (budget - coarse) / (whole - coarse), least)
        return share, max(0, 1 - share - max(0, budget - share * whole) / coarse)

    def tiered_in(self, budget, part, **how):
        share, gone = self.split(budget, part)
        return self.tiered(share, 4, 2, gone, **how)

    def skimmed(self, above, rest, bits=4):
        """What the engine's `skim` does, but for the newest 64 tokens, which are read whole here, and the weights of others, which
        it rounds: tokens whose weight, as the highest `bits` of a nested key say it to a query in 8 bits,
        is beyond `above` for any head of a group are read whole by all of them, of the others the highest bits of the values
        (`rest` of them; "mean" and "nothing" as above). Notes the share of the prompt that a head,
        and that a group, reads whole."""

        shares = []

        def attend(layer, q, k, v):
            i, j = self.places(k.shape[1])
            seen, young, group = (j <= i)[None], (j > i - 64)[None], q.shape[0] // k.shape[0]
            turned = rotated(q)
            step = xp.abs(turned).max(-1, keepdims=True) / 127
            query = xp.rint(turned / step) * step
            mean, whole = self.middles(k, 8)
            shift = logits(q, mean)
            exact = xp.where(seen, logits(query, whole) + shift, HIDDEN)
            rank = xp.where(young, exact, xp.where(seen, logits(query, self.middles(k, bits)[1]) + shift, HIDDEN))
            weights = softmax(rank)
            own = weights > above
            hot = xp.repeat(own.reshape(k.shape[0], group, *own.shape[1:]).any(1), group, 0)
            shares.append([float((x & seen & ~young).mean()) for x in (own, hot)])
            hot = (hot | young) & seen
            top = xp.maximum(exact.max(-1, keepdims=True), rank.max(-1, keepdims=True))
            near, far = xp.where(hot, xp.exp(exact - top), 0), xp.where(hot | ~seen, 0, xp.exp(rank - top))
            return self.estimated(near, far, nested(v, self.prompt), rest, lambda: self.coarse(v, rest))

        scores = self.score(attend)
        self.shares = np.mean(shares, 0)
        return scores


def every(window, form):
    return window.score(lambda layer, q, k, v: dense(q, form(k, window.prompt), form(v, window.prompt), window.prompt))


def by_axes(bits):
    return lambda w: w.aged(
        lambda layer, k, v: (axes(k, w.prompt, bits, w.queries[layer]), axes(v, w.prompt, bits)))


def fraction(name):
    return 0 if name in ("newest", "least") else float(fractions.Fraction(name))


plain = lambda x, prompt: q8_0(x)
ROWS = {
    "q8_0": lambda w: w.stored(q8_0),
    "q8_0 after the prompt": lambda w: every(w, plain),
    "q4_0": lambda w: w.stored(q4_0),
    "kivi2": lambda w: w.two_tiers(
        lambda layer, k, v: kivi2(k, v), lambda i, j: j < (i + 1) // 128 * 128, lambda i, j: j < i + 1 - 128),
    "nested": lambda w: every(w, nested),
    "exact rank 1/4, rest nothing": lambda w: w.selected(1 / 4, None, "nothing", plain),
    "exact rank 1/4, rest mean": lambda w: w.selected(1 / 4, None, "mean", plain),
    "rank k3 1/4, rest nothing": lambda w: w.selected(1 / 4, 3, "nothing", nested),
    "rank k3 1/4, rest mean": lambda w: w.selected(1 / 4, 3, "mean", nested),
    "rank k4 1/4, rest mean": lambda w: w.selected(1 / 4, 4, "mean", nested),
    "rank k3 1/8, rest v2": lambda w: w.selected(1 / 8, 3, 2, nested),
    "rank k4 1/16, rest v2": lambda w: w.selected(1 / 16, 4, 2, nested),
    "rank k4 1/32, rest v2": lambda w: w.selected(1 / 32, 4, 2, nested),
    **{
        f"skim {bits} bits 1/{2**power}, rest {rest if rest in ('mean', 'nothing') else f'v{rest}'}":
        lambda w, power=power, rest=rest, bits=bits: w.skimmed(2.0**-power, rest, bits)
        for bits in (4, 3) for power in range(8, 14) for rest in ("mean", 2, "nothing")
    },
    **{
        f"tiers k{keys} v{values}, whole {f'1/{part}' if part else 'newest'}":
        lambda w, part=part, keys=keys, values=values: w.tiered(1 / part if part else 0, keys, values)
        for keys, values in ((4, 2), (3, 2), (4, 3), (3, 3), (4, 4)) for part in (0, 32, 16, 8, 4)
    },
    "lloyd3": lambda w: w.aged(lambda layer, k, v: (lloyd_rows(k, w.prompt, 8), lloyd_rows(v, w.prompt, 8))),
    "axes 3": by_axes(3),
    "axes 2.5": by_axes(2.5),
    "axes 2": by_axes(2),
}

# Rows of `tiers` with tokens that leave, of which one is to be chosen: not run unless asked for.
BUDGETS = (0.5, 0.375, 0.25, 0.198, 0.197, 0.15625, 0.125, 0.0625, 0.03125)
HOW = {
    "": {}, ", pooled": {"pooled": (7, 7)}, ", mean of heads": {"heads": "mean"},
    ", pooled mean of heads": {"pooled": (7, 7), "heads": "mean"},
    **{f", gone pooled {width}": {"pooled": (1, width)} for width in (7, 15, 31, 63)},
    **{f", gone peaks {width}": {"pooled": (1, width), "pool": "max"} for width in (7, 15)},
    **{f", gone pooled {width}, mean of heads": {"pooled": (1, width), "heads": "mean"} for width in (7, 31)},
}
SETTINGS = {
    **{
        f"tiers k4 v2, whole {whole}{f', gone {gone}' if gone != '0' else ''}{how}":
        lambda w, whole=whole, gone=gone, how=how: w.tiered(fraction(whole), 4, 2, fraction(gone), **HOW[how])
        for whole in ("newest", "1/64", "1/32", "1/16", "1/8", "1/4", "1/2", "3/4", "7/8")
        for gone in ("0", "1/32", "1/16", "1/8", "1/4", "1/2", "3/4", "7/8") for how in HOW
        if fraction(whole) + fraction(gone) <= 1
    },
    **{
        f"tiers k4 v2 in {budget}, {part} of it whole{how}":
        lambda w, budget=budget, part=part, how=how: w.tiered_in(budget, fraction(part), **HOW[how])
        for budget in BUDGETS for part in ("least", "1/16", "1/8", "1/4", "3/8", "1/2", "3/4", "7/8", "1") for how in HOW
    },
    **{
        f"tiers k4 v2 in {budget}{how}": lambda w, budget=budget, how=how: w.tiered_in(budget, None, **HOW[how])
        for budget in BUDGETS for how in HOW
    },
    **ROWS,
}


# MARK: commands


def tokens(model, text):
    data = (ROOT / f"experiments/corpora/{text}.txt").read_bytes()
    if text != "code":  # as `joinLines` does
        data = re.sub(rb"(?:\r?\n)+", lambda m: b" " if m.group().count(b"\n") == 1 else b"\n\n", data)
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(data)
        file.flush()
        said = subprocess.run(
            ["tca-lab", "tokenize", "--model", model, "--text-file", file.name, "--json"], check=True, capture_output=True)
    said = json.loads(said.stdout)
    if isinstance(said, dict):
        said = next(v for v in said.values() if isinstance(v, list))
    return np.array([t["id"] if isinstance(t, dict) else t for t in said], np.int32)


def run(arguments):
    model = Model(arguments.path or pathlib.Path.home() / ".cache/tca-lab" / MODELS[arguments.model])
    rows = arguments.rows or list(ROWS)
    with open(arguments.out, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ["model", "text", "window", "context_length", "row", "difference", "divergence", "negative_log_likelihood",
             "whole_for_head", "whole_for_group"])
        for text in arguments.texts:
            ids = tokens(arguments.model, text)
            start = ids[:1] if model.gemma else ids[:0]  # its BOS begins each window
            ids, length = ids[len(start) :], arguments.length - len(start)
            count = len(ids) // length
            for number in sorted({int(x) for x in np.linspace(0, count - 1, min(count, arguments.windows))}):
                window = Window(model, np.concatenate([start, ids[number * length : (number + 1) * length]]))
                for row in rows:
                    window.shares = []
                    figures = [*window.losses(SETTINGS[row](window)), *window.shares]
                    out.writerow([arguments.model, text, number, arguments.length, row, *(f"{x:.6f}" for x in figures)])
                    file.flush()
                print(arguments.model, text, number, file=sys.stderr, flush=True)


def summary(arguments):
    """Texts are the units: means of a text's windows, Student's t over texts; `corrected` for five rows at once (Bonferroni)."""
    quantile = {3: (3.182, 5.841), 4: (2.776, 4.604)}  # by degrees of freedom: 95 % and 99 %
    table = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in arguments.files:
        with open(name, newline="") as file:
            for line in csv.DictReader(file):
                table[line["model"], int(line["context_length"]), line["row"]][line["text"]].append(
                    (int(line["window"]), float(line["difference"]), float(line["divergence"])))

    def interval(values):
        plain, corrected = quantile[len(values) - 1]
        mean, error = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
        return [mean, mean - plain * error, mean + plain * error, mean - corrected * error, mean + corrected * error]

    out = csv.writer(sys.stdout, lineterminator="\n")
    kinds = ["difference", "over_q8_0", "over_half_of_kivi2"]
    out.writerow(
        ["model", "context_length", "row", "windows"]
        + [k + end for k in kinds for end in ("", "_low", "_high", "_corrected_low", "_corrected_high")]
        + ["divergence", "worst_divergence", "worst_text"])
    for (model, length, row), texts in table.items():
        of = lambda name: table[model, length, name]
        mean = lambda lines: np.mean([x[1] for x in lines])
        for text, lines in texts.items():
            assert [x[0] for x in lines] == [x[0] for x in of("q8_0")[text]], (model, length, row, text)
        divergence = {t: np.mean([x[2] for x in lines]) for t, lines in texts.items()}
        worst = max(divergence, key=divergence.get)
        figures = (
            interval([mean(lines) for lines in texts.values()])
            + interval([mean(lines) - mean(of("q8_0")[t]) for t, lines in texts.items()])
            + interval([mean(lines) - mean(of("kivi2")[t]) / 2 for t, lines in texts.items()])
            + [np.mean(list(divergence.values())), divergence[worst]])
        out.writerow(
            [model, length, row, sum(map(len, texts.values()))] + [f"{x:.6f}" for x in figures] + [worst])


def means(arguments):
    """By row: means over the windows that it has, and the standard error of the mean divergence over them."""
    table = collections.defaultdict(list)
    for name in arguments.files:
        with open(name, newline="") as file:
            for line in csv.DictReader(file):
                table[line["model"], int(line["context_length"]), line["row"]].append(
                    (float(line["difference"]), float(line["divergence"])))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["model", "context_length", "row", "windows", "difference", "divergence", "divergence_error"])
    for key, windows in table.items():
        difference, divergence = np.array(windows).T
        error = divergence.std(ddof=1) / math.sqrt(len(windows)) if len(windows) > 1 else math.nan
        out.writerow([*key, len(windows), *(f"{x:.6f}" for x in (difference.mean(), divergence.mean(), error))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run", help="measures rows on windows of texts")
    one.add_argument("--model", choices=list(MODELS), required=True)
    one.add_argument("--path", help="the GGUF file, if not in the catalogue's cache")
    one.add_argument("--texts", nargs="+", required=True)
    one.add_argument("--windows", type=int, default=6, help="of a text, evenly spaced")
    one.add_argument("--length", type=int, default=8192)
    one.add_argument("--rows", nargs="+", choices=list(SETTINGS), metavar="ROW")
    one.add_argument("--out", required=True)
    one.set_defaults(go=run)
    two = commands.add_parser("summary", help="the table of findings, from what run wrote")
    two.add_argument("files", nargs="+")
    two.set_defaults(go=summary)
    three = commands.add_parser("means", help="means of one text's windows, from what run wrote")
    three.add_argument("files", nargs="+")
    three.set_defaults(go=means)
    given = parser.parse_args()
    given.go(given)
