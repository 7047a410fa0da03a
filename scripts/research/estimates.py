#!/usr/bin/env python3
"""What a decode query may leave unread, or hold in few bits, at the loss of a q8_0 cache.

A model of the KV cache, not the engine: both catalogue models in float32 (weights dequantised from their GGUF files), a
window's prompt by dense causal attention, its last tokens scored together, each row attending as the cache under test
would let it. Written for one GPU (CuPy); with NumPy alone a window of 8,192 tokens takes minutes a row.

  python3 estimates.py run --model smollm2-135m-instruct --texts persuasion --windows 3 --length 8192 --out dev.csv
  python3 estimates.py summary verdict.csv > summary.csv
  python3 estimates.py fade --texts persuasion --short 10 --rows-of fade-settings.csv --out settings.csv
  python3 estimates.py fade-verdict fade-verdict.csv > fade-summary.csv
  python3 estimates.py needles --rows exact kivi2 "fade 0.125, second" --out needles.csv

Needs numpy, gguf and, on a GPU, cupy; `tca-lab` on the PATH cuts the texts into tokens. Lengths include the scored
tokens. Differences and divergences are against the float32 cache of the same window.
"""
import argparse, collections, csv, fractions, json, math, pathlib, re, subprocess, sys, tempfile, time

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


class FadeBytes:
    """What tokens take in the format `nested`, some with all bits, of the others a share (`lower`) with fewer than most."""

    def __init__(self, d, bits=(4, 2), lower=0.0, lower_bits=(4, 2)):
        coarse = lambda keys, values: 2 + d * keys // 8 + 2 + d * values // 8
        self.whole, self.coarse, self.lower, self.share = 2 * (2 + d), coarse(*bits), coarse(*lower_bits), lower

    def lowest(self, tokens, whole):
        return int(self.share * (tokens - whole))

    def of(self, tokens, whole, lowest=0):
        said = (tokens + 31) // 32 * 16 if whole < tokens else 0
        return (tokens - whole - lowest) * self.coarse + lowest * self.lower + whole * self.whole + said


def bisected(low, high, reached):
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def limited(first, newest, capacity):
    first = min(max(0, first), capacity - 1)
    return first, min(max(1, newest), capacity - first)


_plans = {}
FadePlan = collections.namedtuple("FadePlan", "kept whole lowest forced forced_whole")


def fade_plan(tokens, budget, share, first, newest, size, beside=0):
    """`FadePlan` of the engine's first fade: how many tokens a head keeps, how many of them whole, how many in the fewest bits."""
    most = min(tokens, first + newest)
    if budget >= tokens:
        return FadePlan(tokens, tokens, 0, limited(first, newest, most), limited(first, newest, most))
    allowed = size.of(budget, budget) - beside
    own = min(most, max(1, budget // 2))
    least = own + int(share * (budget - own) * (1 + 1e-12))
    cost = lambda kept, whole: size.of(kept, whole, size.lowest(kept, whole))
    kept = bisected(0, tokens, lambda x: cost(x + 1, min(x, least)) > allowed)
    if kept > budget:
        whole = bisected(min(kept, least), kept, lambda x: cost(kept, x + 1) > allowed)
    else:
        kept = whole = max(1, budget - -(-beside // size.whole))
    forced = limited(first, newest, own)
    return FadePlan(kept, whole, size.lowest(kept, whole), limited(first, newest, kept - (whole - sum(forced))), forced)


def allotted(weights, total, most):
    """`total` in proportion to `weights`, none above `most`."""
    weights, given = np.asarray(weights, float), np.zeros(len(weights))
    for _ in range(len(weights)):
        free = given < most
        if not free.any() or total - given.sum() < 1:
            break
        share = np.where(free, np.maximum(weights, 1e-9), 0)
        given = np.minimum(most, given + (total - given.sum()) * share / share.sum())
    return given.astype(int)


def best(scores, counts):
    """Of each row the `counts` largest."""
    return scores.shape[1] - 1 - ranks(scores) < xp.asarray(counts)[:, None]


def fade_options(row):
    """`fade 0.125, gone pooled 15, whole 1/8`: the budget as a share of float16's bytes, and what differs from the engine's first fade."""
    parts = row.split(", ")
    gone, whole = ({"queries": 64, "heads": "max", "pool": ("mean", pool)} for pool in (7, 1))
    o = {"budget": float(parts[0].split()[1]), "share": 1 / 16, "newest": 64, "local": 128, "bits": (4, 2), "codes": "middles",
         "lower": 0.0, "lower_bits": (4, 2), "merged": 0, "gone": gone, "whole": whole}
    two = lambda words: tuple(int(x[1:]) for x in words[:2])
    for part in parts[1:]:
        words = part.split()
        if words[0] in ("gone", "whole", "both") and len(words) > 1 and not words[1][0].isdigit():
            for to in [o["gone"], o["whole"]] if words[0] == "both" else [o[words[0]]]:
                match words[1:]:
                    case ["unpooled"]: to["pool"] = ("mean", 1)
                    case ["pooled", n]: to["pool"] = ("mean", int(n))
                    case ["peaks", n]: to["pool"] = ("max", int(n))
                    case ["observed", n]: to["queries"] = int(n)
                    case ["recent", n]: to["recent"] = int(n)
                    case ["power", n]: to["power"] = float(n)
                    case ["mean", "of", "heads"]: to["heads"] = "mean"
                    case ["by", what] if re.fullmatch(r"norms|spread|change|keys|near\d*", what): to["by"] = what
                    case ["heads", x]: to["across"] = ("heads", float(x))
                    case ["layers", x]: to["across"] = ("layers", float(x))
                    case ["pyramid", x]: to["slope"] = float(x)
                    case ["thinned", n]: to["thinned"] = int(n)
                    case ["curve", "observed", n]: to["observed"] = int(n)
                    case ["curve", n, power]: to["recent"], to["curve"] = int(n), float(power)
                    case ["largest", n]: to["largest"] = int(n)
                    case ["even", x]: to["even"] = fraction(x)
                    case ["odd", "all"]: to["odd_beside_others"] = True
                    case ["odd", x, *how]: to["odd"] = fraction(x), int([*how, "7"][0]), how[1] if how[1:] else "keys"
                    case _: raise ValueError(part)
            continue
        match words:
            case ["second"]:
                o.update(newest=16, local=1 / 8)
                o["gone"].update(recent=256, across=("heads", 0.2))
                o["whole"].update(recent=256, by="spread")
            case ["whole", x]: o["share"] = fraction(x)
            case ["newest", n]: o["newest"] = int(n)
            case ["local", n]: o["local"] = fraction(n) if "/" in n else int(n)
            case ["coarse", *bits]: o["bits"] = two(bits)
            case ["lower", x, *bits]: o["lower"], o["lower_bits"] = fraction(x), two(bits)
            case ["codes", how]: o["codes"] = how
            case ["merged", n, *how]: o["merged"], o["merged_by"] = int(n), " ".join(how)
            case _: raise ValueError(part)
    for how in (o["gone"], o["whole"]):
        if "observed" in how and "thinned" not in how or "curve" in how and "thinned" in how or len(how.keys() & {"largest", "thinned"}) > 1:
            raise ValueError(row)
    return o


# MARK: one window


class Window:
    def __init__(self, model, ids, scored=SCORED):
        self.model, self.ids, self.scored, self.prompt = model, np.asarray(ids), scored, len(ids) - scored
        self.keys, self.values, self.queries, self.newest = {}, {}, {}, {}
        self.asked, self.kept = {}, {}

        def keep(layer, q, k, v):
            self.keys[layer], self.values[layer] = k, v
            self.newest[layer] = q[:, -64:].copy()
            if model.is_global(layer):
                self.asked[layer] = q
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
        return model.log_probabilities(xp.concatenate([self.last if last is None else last, rows], 0)[: self.scored])

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
        rows = xp.arange(self.scored)
        nll, reference = -scores[rows, self.targets], -self.reference[rows, self.targets]
        divergence = (xp.exp(self.reference) * (self.reference - scores)).sum(-1)
        return float(nll.mean() - reference.mean()), float(divergence.mean()), float(nll.mean())

    # The caches under test: what a layer's scored rows attend to.

    def places(self, n):
        return xp.arange(self.prompt, self.prompt + self.scored)[:, None], xp.arange(n)[None]

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
        n, d, later = self.prompt, self.model.d, (self.scored + 1) / 2
        whole, coarse = (2 * (2 + d)) / (4 * d), (2 + d / 2 + 2 + d / 4) / (4 * d)
        budget = (budget * (n + later) - whole * later) / n
        least = (sinks + newest) / n
        chosen = part * budget / whole if part is not None else least + (budget / whole - least) / 16
        share = max(chosen, (budget - coarse) / (whole - coarse), least)
        return share, max(0, 1 - share - max(0, budget - share * whole) / coarse)

    def tiered_in(self, budget, part, **how):
        share, gone = self.split(budget, part)
        return self.tiered(share, 4, 2, gone, **how)

    # fade, with what may be changed in it.

    def once(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def attention(self, layer, rows):
        """The attention of the prompt's queries at some positions, ascending, to what the last of them sees (heads x queries x tokens)."""
        end = int(rows[-1]) + 1
        seen = xp.arange(end)[None] <= rows[:, None]
        return softmax(xp.where(seen[None], logits(self.asked[layer][:, rows], self.keys[layer][:, :end]), HIDDEN))

    def blocks(self):
        """The prompt's positions, 512 at a time, and where each of these blocks ends."""
        for a in range(0, self.prompt, 512):
            b = min(self.prompt, a + 512)
            yield xp.arange(a, b), b

    def looks(self, layer):
        """The attention of the prompt's last 256 queries."""
        return self.once(("looks", layer), lambda: self.attention(layer, xp.arange(max(0, self.prompt - 256), self.prompt)))

    def recent(self, layer, half_life):
        """The mean attention of all queries of the prompt that see a token, halved for each `half_life` that they are older."""

        def make():
            q, n = self.asked[layer], self.prompt
            total, weight = xp.zeros((q.shape[0], n), F), xp.zeros(n, F)
            for rows, b in self.blocks():
                age = xp.exp2(-(n - 1 - rows) / half_life).astype(F)[:, None]
                total[:, :b] += (self.attention(layer, rows) * age).sum(1)
                weight[:b] += xp.where(xp.arange(b)[None] <= rows[:, None], age, 0).sum(0)
            return total / weight

        return self.once(("recent", layer, half_life), make)

    def receding(self, half_life):
        """The engine's `RecedingQueries`: groups of ages, and the step in each."""
        first, step, n = 0, 1, self.prompt
        while first < n and step <= half_life:
            end = min(n, first + half_life)
            yield range(first, end, step)
            first, step = end, 2 * step

    def thinned(self, layer, half_life):
        """The mean attention by the engine's `RecedingQueries` that see a token."""

        def make():
            n = self.prompt
            at = xp.asarray(sorted(n - 1 - age for ages in self.receding(half_life) for age in ages))
            return self.attention(layer, at).sum(1) / (xp.arange(n)[None] <= at[:, None]).sum(0)

        return self.once(("thinned", layer, half_life), make)

    def observed_curve(self, layer, half_life, last):
        """As `curve`, of the last `last` queries, up to distances that no sink is at."""

        def make():
            q, n = self.asked[layer], self.prompt
            rows = xp.arange(n - last, n)
            p = self.attention(layer, rows)
            most = n - last - 4
            edges = [0, *np.unique(np.rint(2 ** np.arange(0, math.log2(most), 0.5)).astype(int)), most]
            sums = xp.concatenate([xp.zeros_like(p[..., :1]), p.cumsum(-1)], -1)
            f = xp.zeros((q.shape[0], n + half_life), F)
            for a, b in zip(edges, edges[1:]):
                end, begin = rows + 1 - a, rows + 1 - b
                each = (sums[:, xp.arange(last), end] - sums[:, xp.arange(last), begin]).sum(1) / (last * (b - a))
                f[:, a:] = each[:, None]
            f = xp.maximum(f, F(1e-12))
            total = xp.concatenate([xp.zeros_like(f[:, :1]), f.cumsum(-1)], -1)
            token = xp.arange(n)
            before, number = xp.zeros((q.shape[0], n), F), xp.zeros(n, F)
            for ages in self.receding(half_life):
                # Distances from a token to these queries, the newest first; fewer than 1 see nothing.
                far, near = n - 1 - ages[0] - token, n - 1 - ages[-1] - token
                seeing = xp.clip((far // ages.step) + 1, 0, len(ages))
                low = xp.maximum(near, far - (seeing - 1) * ages.step)
                low, high = xp.maximum(low, 0), xp.maximum(far, -1)
                mean = (total[:, high + 1] - total[:, xp.minimum(low, high + 1)]) / xp.maximum(1, high + 1 - low)
                before += mean * seeing
                number += seeing
            after = (total[:, n + half_life - token] - total[:, n - token]) / half_life
            return before / number, after

        return self.once(("observed curve", layer, half_life, last), make)

    def curve(self, layer, half_life):
        """What a token would have of `recent`, and of the queries to come, were attention said by distance alone.

        By head: the mean attention at each distance, in steps of half an octave, of all tokens but the first four."""

        def make():
            q, n = self.asked[layer], self.prompt
            edges = np.unique(np.rint(2 ** np.arange(0, 2 * math.log2(2 * n) + 1, 0.5)).astype(int))
            edges = xp.asarray(np.concatenate([[0], edges]))
            total, count = xp.zeros((q.shape[0], len(edges) - 1), F), xp.zeros(len(edges) - 1, F)
            weights = xp.exp2(-(n - 1 - xp.arange(n)) / half_life).astype(F)
            for rows, b in self.blocks():
                p = self.attention(layer, rows)
                p[..., :4] = 0
                sums = xp.concatenate([xp.zeros_like(p[..., :1]), p.cumsum(-1)], -1)
                ends = xp.clip(rows[:, None] + 1 - edges[None], 0, b)
                at = lambda x: xp.take_along_axis(sums, xp.broadcast_to(x[None], (sums.shape[0], *x.shape)), -1)
                total += ((at(ends[:, :-1]) - at(ends[:, 1:])) * weights[rows, None]).sum(1)
                inside = xp.maximum(ends, min(4, b))
                count += ((inside[:, :-1] - inside[:, 1:]) * weights[rows, None]).sum(0)
            f = total / xp.maximum(count, F(1e-9))
            for step in range(1, f.shape[1]):
                f[:, step] = xp.where(count[step] > 0, f[:, step], f[:, step - 1])
            f = xp.maximum(f, F(1e-12))
            by_distance = f[:, xp.searchsorted(edges, xp.arange(n + 256), side="right") - 1]
            before, weight, after = xp.zeros((q.shape[0], n), F), xp.zeros(n, F), xp.zeros((q.shape[0], n), F)
            for rows, b in self.blocks():
                distance = rows[:, None] - xp.arange(b)[None]
                seen = distance >= 0
                before[:, :b] += (xp.where(seen[None], by_distance[:, xp.maximum(distance, 0)], 0) * weights[rows, None]).sum(1)
                weight[:b] += xp.where(seen, weights[rows, None], 0).sum(0)
                after[:, rows] = by_distance[:, n + xp.arange(256)[:, None] - rows[None]].mean(1)
            return before / weight, after

        return self.once(("curve", layer, half_life), make)

    def largest(self, layer, distance):
        """The largest attention by a query of the prompt that is at least so far away."""

        def make():
            most = xp.zeros((self.asked[layer].shape[0], self.prompt), F)
            for rows, b in self.blocks():
                far = rows[:, None] - xp.arange(b)[None] >= distance
                most[:, :b] = xp.maximum(most[:, :b], xp.where(far[None], self.attention(layer, rows), 0).max(1))
            return most

        return self.once(("largest", layer, distance), make)

    def oddity(self, layer, of="keys"):
        """How far a key (or value, or both) points away from the mean direction of all, or of `side` on either side, as KeyDiff has it."""
        if of.startswith("both"):
            parts = [self.oddity(layer, of[4:] + x) for x in ("keys", "values")]
            return sum(x / x.mean(1, keepdims=True) for x in parts)
        k = self.values[layer] if of.endswith("values") else self.keys[layer]
        k = k / xp.sqrt((k * k).sum(-1, keepdims=True))
        side = re.match(r"near(\d*)", of)
        if side:
            side = int(side[1] or 128)
            total = xp.concatenate([xp.zeros_like(k[:, :1]), k.cumsum(1)], 1)
            at = xp.arange(k.shape[1])
            a, b = xp.maximum(0, at - side), xp.minimum(k.shape[1], at + side + 1)
            mean = (total[:, b] - total[:, a]) / (b - a)[None, :, None]
        else:
            mean = k.mean(1, keepdims=True)
        return 1 - (k * mean).sum(-1)

    def importance(self, layer, how):
        """Scores of the prompt's tokens (KV heads x tokens)."""
        kv = self.keys[layer].shape[0]

        def make():
            if "largest" in how:
                weights = self.largest(layer, how["largest"])
            elif "thinned" in how:
                weights = self.thinned(layer, how["thinned"])
                if "observed" in how:
                    before, after = self.observed_curve(layer, how["thinned"], how["observed"])
                    weights = weights / before * after
            elif "recent" in how:
                weights = self.recent(layer, how["recent"])
                if "curve" in how:
                    before, after = self.curve(layer, how["recent"])
                    mean = after.mean(1, keepdims=True)
                    weights = weights / before * mean * (after / mean) ** how["curve"]
            else:
                looks, power = self.looks(layer)[:, -how["queries"] :], how.get("power", 1)
                weights = looks.mean(1) if power == 1 else (looks**power).mean(1) ** (1 / power)
            v, group = self.values[layer], weights.shape[0] // kv
            if "by" in how:
                if how["by"] == "change":
                    mean = weighted(self.looks(layer)[:, -64:], v).mean(1)
                    away = xp.repeat(v, group, 0) - mean[:, None]
                else:
                    away = xp.repeat(v - v.mean(1, keepdims=True) if how["by"] == "spread" else v, group, 0)
                odd = how["by"] == "keys" or how["by"].startswith("near")
                weights = weights * (xp.repeat(self.oddity(layer, how["by"]), group, 0) if odd else xp.sqrt((away * away).sum(-1)))
            kind, width = how["pool"]
            weights = (neighbourly(weights, width, kind) if width > 1 else weights).reshape(kv, group, -1)
            return weights.max(1) if how["heads"] == "max" else weights.mean(1)

        return self.once(("importance", layer, repr(sorted(how.items()))), make).copy()

    def counts(self, scores, count, how):
        """How many tokens each head has, by layer: `count` of them, or as many in all as that; those of infinite score in any case.

        A slope x: the first layer has 1 + x of the mean beside those, the last 1 - x. Across the heads of a layer, or of all
        layers: a share in equal parts, the rest as the highest scores fall."""
        layers = list(scores)
        certain = {layer: host(xp.isinf(scores[layer]).sum(1)) for layer in layers}
        slope, share = how.get("slope", 0), {layer: count - x.mean() for layer, x in certain.items()}
        if slope:
            weights = 1 + slope * (1 - 2 * np.arange(len(layers)) / max(1, len(layers) - 1))
            given = allotted(weights, sum(share.values()), np.array([self.prompt - x.mean() for x in certain.values()]))
            share = dict(zip(layers, given))
        if "across" not in how:
            return {layer: np.floor(share[layer] + certain[layer].mean() + 1e-9).astype(int) * np.ones_like(certain[layer]) for layer in layers}
        (kind, x), out = how["across"], {}
        for together in [[layer] for layer in layers] if kind == "heads" else [layers]:
            flat, own = xp.concatenate([scores[layer] for layer in together]), np.concatenate([certain[layer] for layer in together])
            total = max(0, int(sum(share[layer] * len(certain[layer]) for layer in together) + 1e-6))
            finite = xp.where(xp.isinf(flat), -1, flat)
            place = finite.size - max(1, total)
            above = host((finite >= xp.partition(finite.ravel(), place)[place]).sum(1))
            given = allotted(x * total / len(flat) + (1 - x) * above, total, self.prompt - own) + own
            for at, layer in enumerate(together):
                out[layer] = given[at * len(certain[layer]) : (at + 1) * len(certain[layer])]
        return out

    def rows(self, layer, x, bits, codes):
        """Keys or values of the prompt, all bits or the highest alone; for these the middles of cells, their means, or Lloyd's."""
        source = (self.keys if x == "keys" else self.values)[layer]
        return self.once((x, layer, bits, codes), lambda: self.coded(source, bits, codes))

    def coded(self, x, bits, codes):
        if bits == 8:
            return nested(x, self.prompt)
        if codes == "lloyd":
            return lloyd_rows(x, self.prompt, 2**bits)
        return nested_high(x, self.prompt, bits) if codes == "means" else self.coarse(x, bits)

    def fade_budget(self, o):
        """The plan that holds no more than the share of float16's bytes, mean over the decode steps, and its bytes."""
        d, n, steps = self.model.d, self.prompt, range(1, self.scored)
        size = FadeBytes(d, o["bits"], o["lower"], o["lower_bits"])
        beside = o["merged"] * (size.whole + 4)
        make = lambda budget: fade_plan(n, budget, o["share"], 4, o["newest"], size, beside)

        def local(budget):
            """How many newer tokens a generated one waits for; a share of the budget in whole pages, one at least."""
            return o["local"] if o["local"] >= 1 else min(512, max(32, int(budget * o["local"]) // 32 * 32))

        def held(plan, local):
            total = 0
            for step in steps:
                cut, settled = (n + step - 1) // 32 * 32, max(4, n - plan.forced_whole[1])
                old = max(0, cut - local - settled) if cut >= n else 0
                total += size.of(plan.kept + step, plan.whole + step - old, plan.lowest) + beside
            return total / len(steps) + 8 * d

        full = sum(4 * d * (n + step) for step in steps) / len(steps)
        key = repr((d, n, self.scored, sorted(o.items(), key=str)))
        if key not in _plans:
            budget = max(1, bisected(1, n, lambda x: held(make(x), local(x)) > o["budget"] * full) - 1)
            _plans[key] = make(budget), held(make(budget), local(budget)) / full, local(budget)
        return _plans[key]

    def fade_choice(self, o, plan):
        """By layer what stays, what stays whole and what has the fewest bits (KV heads x tokens), a score for what is left out."""
        n, layers, inf = self.prompt, list(self.asked), F(np.inf)

        def forced(scores, first, newest):
            scores[:, :first] = scores[:, n - newest :] = inf
            return scores

        most = {layer: forced(self.importance(layer, o["whole"]), *plan.forced_whole) for layer in layers}
        counts = self.counts(most, plan.whole, o["whole"])
        whole = {layer: best(most[layer], counts[layer]) for layer in layers}
        least = {}
        for layer in layers:
            least[layer] = forced(xp.where(whole[layer], inf, self.importance(layer, o["gone"])), *plan.forced)
        spare, parts = plan.kept - plan.whole, 16
        for layer, scores in least.items() if plan.kept < n else ():
            if "even" in o["gone"]:
                each = int(spare * o["gone"]["even"]) // parts
                for part in range(parts):
                    a, b = n * part // parts, n * (part + 1) // parts
                    among = xp.where(xp.isinf(scores[:, a:b]), -1, scores[:, a:b])
                    scores[:, a:b] = xp.where(best(among, [each] * len(among)), inf, scores[:, a:b])
            if "odd" in o["gone"]:
                share, width, of = o["gone"]["odd"]
                odd = self.oddity(layer, of)
                odd = odd if "odd_beside_others" in o["gone"] else xp.where(xp.isinf(scores), 0, odd)
                odd = neighbourly(odd, width) if width > 1 else odd
                odd = xp.where(xp.isinf(scores), -1, odd)
                least[layer] = xp.where(best(odd, [int(spare * share)] * len(odd)), inf, scores)
        if plan.kept >= n:
            there = {layer: xp.ones_like(whole[layer]) for layer in layers}
        else:
            counts = self.counts(least, plan.kept, o["gone"])
            there = {layer: best(least[layer], counts[layer]) for layer in layers}
        choice = {}
        for layer in layers:
            lowest = None
            if plan.lowest:
                among = xp.where(there[layer] & ~whole[layer], least[layer], inf)
                lowest = ranks(among) < plan.lowest
            choice[layer] = there[layer], whole[layer], lowest
        return choice

    def merged(self, layer, there, count, how):
        """What left, as `count` tokens a head, neighbours together: keys, values, and what is added to their logits."""
        k, v, q, n = self.keys[layer], self.values[layer], self.asked[layer][:, -64:], self.prompt
        kv = k.shape[0]
        gone = ~there
        if count == 1:
            place = xp.zeros(gone.shape, xp.int32)
        else:
            place = (gone.cumsum(1) - 1) * count // xp.maximum(1, gone.sum(1, keepdims=True))
        member = ((place[..., None] == xp.arange(count)) & gone[..., None]).astype(F)
        looks = self.looks(layer)[:, -64:].mean(1).reshape(kv, -1, n).mean(1)
        share = member * (1 if "plainly" in how else looks[..., None] + F(1e-9))
        share /= xp.maximum(share.sum(1, keepdims=True), F(1e-30))
        keys, values = xp.matmul(share.transpose(0, 2, 1), k), xp.matmul(share.transpose(0, 2, 1), v)
        seen = xp.arange(n)[None] <= xp.arange(n - 64, n)[:, None]
        z = xp.where(seen[None], logits(q, k), HIDDEN)
        top = z.max(-1, keepdims=True)
        e = xp.exp(z - top)
        mass = weighted(e, member) + F(1e-20)
        each = logits(q, keys) - top
        if "mass" in how:
            total = e.sum(-1, keepdims=True)
            grouped = lambda x: x.reshape(kv, -1, count).sum(1)
            bias = xp.log(grouped(mass / total) / grouped(xp.exp(each) / total))
        else:
            bias = (xp.log(mass) - each).reshape(kv, -1, count).mean(1)
        return keys, values, xp.where(member.any(1), bias, HIDDEN)

    def faded(self, row):
        """The engine's first `fade`, but that a token's share of the attention does not say here by which bits it is read."""
        o = fade_options(row)
        plan, self.held, local = self.fade_budget(o)
        choice, n = self.fade_choice(o, plan), self.prompt
        self.there = {layer: there for layer, (there, _, _) in choice.items()}
        self.tokens_kept = plan.kept / n
        settled, codes = max(4, n - plan.forced_whole[1]), o["codes"]
        value_codes = "means" if codes == "values" else codes
        key_codes = "middles" if codes == "values" else codes

        def attend(layer, q, k, v):
            there, whole, lowest = choice[layer]
            group = q.shape[0] // k.shape[0]

            def held(name, x, bits, lower, codes):
                """All tokens; those that are judged later both whole and coarse."""
                rows = self.rows(layer, name, bits, codes)
                if lowest is not None:
                    rows = xp.where(lowest[..., None], self.rows(layer, name, lower, codes), rows)
                rows = xp.where(whole[..., None], self.rows(layer, name, 8, ""), rows)
                mean = self.once((name, layer, "mean"), lambda: x[:, :n].mean(1, keepdims=True))
                late = xp.concatenate([mean, x[:, n:]], 1)  # The first row is the mean, so that coding takes that off.
                new = late_rows(late, mean, 8, "")
                old = xp.concatenate(
                    [self.rows(layer, name, bits, codes)[:, settled:], late_rows(late, mean, bits, codes)], 1)
                return xp.concatenate([rows, new], 1), old

            def late_rows(late, mean, bits, codes):
                prompt, self.prompt = self.prompt, 1
                try:
                    return self.coded(late, bits, codes)[:, 1:]
                finally:
                    self.prompt = prompt

            keys, old_keys = held("keys", k, o["bits"][0], o["lower_bits"][0], key_codes)
            values, old_values = held("values", v, o["bits"][1], o["lower_bits"][1], value_codes)
            i, j = self.places(k.shape[1])
            cut = i // 32 * 32
            aged = ((j >= settled) & (j < cut - local) & (cut >= n))[:, settled:][None]
            z = logits(q, keys)
            z[..., settled:] = xp.where(aged, logits(q, old_keys), z[..., settled:])
            seen = xp.broadcast_to((j <= i)[None], z.shape).copy()
            seen[..., :n] = xp.repeat(there, group, 0)[:, None]
            z = xp.where(seen, z, HIDDEN)
            if o["merged"] and plan.kept < n:
                mean_keys, mean_values, bias = self.merged(layer, there, o["merged"], o["merged_by"])
                z = xp.concatenate([z, logits(q, mean_keys) + xp.repeat(bias, group, 0)[:, None]], -1)
                values = xp.concatenate([values, mean_values], 1)
            p = softmax(z)
            late = p[..., settled : k.shape[1]]
            old = weighted(xp.where(aged, late, 0), old_values)
            late[...] = xp.where(aged, 0, late)
            return weighted(p, values) + old

        return self.score(attend)

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


def setting(row):
    return SETTINGS[row] if row in SETTINGS else lambda w: w.faded(row)


def known(row):
    if row not in SETTINGS:
        fade_options(row)
    return row


# MARK: commands


FADE_HEADER = ["model", "text", "window", "context_length", "row", "difference", "divergence", "negative_log_likelihood", "bytes"]


def fade_windows(model, name, text, length, number):
    """Windows of a text, evenly spaced, with what says which each is."""
    ids = tokens(name, text)
    start = ids[:1] if model.gemma else ids[:0]  # its BOS begins each window
    ids, own = ids[len(start) :], length - len(start)
    count = len(ids) // own
    for at in sorted({int(x) for x in np.linspace(0, count - 1, min(count, number))}):
        yield (name, text, at, length), Window(model, np.concatenate([start, ids[at * own : (at + 1) * own]]))


def fade_line(key, window, row):
    window.held = math.nan
    figures = window.losses(setting(row)(window))
    return [*key, row, *(f"{x:.6f}" for x in figures), f"{window.held:.5f}"]


def fade_rows(arguments):
    """Given rows, on windows of texts at one length or more."""
    began, rows = time.monotonic(), list(arguments.rows)
    if arguments.rows_of:
        with open(arguments.rows_of, newline="") as file:
            rows += dict.fromkeys(known(line["row"]) for line in csv.DictReader(file))
    with open(arguments.out, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(FADE_HEADER)
        for name in arguments.models:
            model = Model(pathlib.Path(arguments.path or pathlib.Path.home() / ".cache/tca-lab") / MODELS[name])
            for length, number in ((8192, arguments.long), (2048, arguments.short)):
                for text in arguments.texts:
                    for key, window in fade_windows(model, name, text, length, number):
                        for row in rows:
                            out.writerow(fade_line(key, window, row))
                        file.flush()
                    print(name, length, text, f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


NEEDLE = "One of the special magic numbers for {} is: {}."
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."


def needle_prompts(haystack, number, length):
    """A needle of RULER in its noise or in a text, what asks for it and what says it; `length` in tokens, roughly."""
    generator = np.random.default_rng(2026)
    first = "amber brisk calm dusty eager faint gentle hollow idle jolly keen lonely".split()
    second = "anchor bridge candle drawer engine feather garden hammer island jacket kettle ladder".split()
    if haystack == "noise":
        sentences, count = [NOISE] * 10_000, 74 * length // 2048
    else:
        text = joined((ROOT / f"experiments/corpora/{haystack}.txt").read_bytes()).decode()
        sentences, count = [x.strip() for x in re.split(r"(?<=[.!?]) +", text.replace("\n\n", " ")) if x.strip()], 0
    for _ in range(number):
        key = f"{first[generator.integers(12)]}-{second[generator.integers(12)]}"
        value = str(generator.integers(1_000_000, 10_000_000))
        lines = sentences[:count]
        if haystack != "noise":
            start, words, lines = int(generator.integers(len(sentences) * 3 // 4)), 0, []
            for sentence in sentences[start:]:
                if words >= 1380 * length // 2048:
                    break
                lines.append(sentence)
                words += len(sentence.split())
        lines.insert(int(generator.integers(len(lines))), NEEDLE.format(key, value))
        end = "\n" if haystack == "noise" else " "
        yield (
            "A special magic number is hidden within the following text. Make sure to memorize it. I will quiz you about the number"
            f" afterwards.\n{end.join(lines)}\n",
            f"What is the special magic number for {key} mentioned in the provided text? The special magic number for {key}"
            " mentioned in the provided text is", f" {value}")


def needle_rows(arguments):
    """Needles: whether each token of the answer is the likeliest, its loss, and the share of the needle's number that heads keep."""
    began = time.monotonic()
    with open(arguments.out, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["model", "haystack", "number", "context_length", "row", "found", "negative_log_likelihood", "kept", "bytes"])
        for name in arguments.models:
            model = Model(pathlib.Path(arguments.path or pathlib.Path.home() / ".cache/tca-lab") / MODELS[name])
            cut = lambda text: token_ids(name, text.encode())[1 if model.gemma else 0 :]
            for length, number in ((2048, arguments.short), (8192, arguments.long)):
                for haystack in arguments.haystacks:
                    for at, (prompt, question, answer) in enumerate(needle_prompts(haystack, number, length)):
                        prompt, question, answer = token_ids(name, prompt.encode()), cut(question), cut(answer)
                        window = Window(model, np.concatenate([prompt, question, answer]), len(question) + len(answer))
                        digits = answer[-7:]
                        place = next(x for x in range(len(prompt)) if (prompt[x : x + 7] == digits).all())
                        for row in arguments.rows:
                            window.held, window.there = math.nan, None
                            scores = window.reference if row == "exact" else setting(row)(window)
                            scores = host(scores)[len(question) :]
                            loss = -scores[np.arange(len(answer)), answer].mean()
                            kept = math.nan
                            if window.there:
                                kept = np.mean([host(x)[:, place : place + 7].mean() for x in window.there.values()])
                            out.writerow([name, haystack, at, length, row, int((scores.argmax(1) == answer)[-7:].all()),
                                          f"{loss:.5f}", f"{kept:.4f}", f"{window.held:.5f}"])
                        file.flush()
                    print(name, length, haystack, f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def needle_means(arguments):
    """By haystack and row: of how many prompts the answer was found, its mean loss, the mean share of the number that heads keep."""
    table = collections.defaultdict(list)
    for name in arguments.files:
        with open(name, newline="") as file:
            for line in csv.DictReader(file):
                table[line["model"], line["haystack"], int(line["context_length"]), line["row"]].append(
                    [float(line[x]) for x in ("found", "negative_log_likelihood", "kept", "bytes")])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["model", "haystack", "context_length", "budget", "change", "prompts", "found", "negative_log_likelihood", "kept", "bytes"])
    for (*key, row), lines in table.items():
        budget, _, change = row.partition(", ")
        mean = np.mean(lines, 0)
        out.writerow([*key, budget.removeprefix("fade "), change or "none", len(lines), f"{mean[0]:.3f}", f"{mean[1]:.4f}"]
                     + ["" if math.isnan(x) else f"{x:.4f}" for x in mean[2:]])


def fade_means(arguments):
    """By row: means over windows, and the mean divergence over that of the same budget's `fade`."""
    table = collections.defaultdict(list)
    for name in arguments.files:
        with open(name, newline="") as file:
            for line in csv.DictReader(file):
                table[line["model"], int(line["context_length"]), line["row"]].append(
                    [float(line[x]) for x in ("difference", "divergence", "bytes")])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["model", "context_length", "budget", "change", "windows", "difference", "divergence", "divergence_of_fade", "bytes"])
    for (model, length, row), lines in table.items():
        budget, _, change = row.partition(", ")
        base = table.get((model, length, budget))
        mean = np.mean(lines, 0)
        out.writerow(
            [model, length, budget.removeprefix("fade "), change or ("none" if row.startswith("fade") else ""), len(lines)]
            + [f"{mean[0]:.6f}", f"{mean[1]:.6f}", f"{mean[1] / np.mean(base, 0)[1]:.4f}" if base and row.startswith("fade") else ""]
            + ["" if math.isnan(mean[2]) else f"{mean[2]:.5f}"])


def fade_verdict(arguments):
    """Texts are the units: means of a text's windows, Student's t over five of them, also over the same budget's `fade`, or that
    with a change."""
    table = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in arguments.files:
        with open(name, newline="") as file:
            for line in csv.DictReader(file):
                table[line["model"], int(line["context_length"]), line["row"]][line["text"]].append(
                    [float(line[x]) for x in ("difference", "divergence", "bytes")])
    quantile = {3: 3.182, 4: 2.776}
    out = csv.writer(sys.stdout, lineterminator="\n")
    texts = list(next(iter(table.values())))
    out.writerow(
        ["model", "context_length", "budget", "change", "windows"]
        + [k + end for k in ("difference", "over_fade", "divergence", "divergence_over_fade") for end in ("", "_low", "_high")]
        + ["bytes"] + texts)

    def interval(values):
        error = quantile[len(values) - 1] * np.std(values, ddof=1) / math.sqrt(len(values))
        return [np.mean(values), np.mean(values) - error, np.mean(values) + error]

    for (model, length, row), lines in table.items():
        budget, _, change = row.partition(", ")
        fade = row.startswith("fade")
        mean = lambda x, column: np.array([np.mean(x[text], 0)[column] for text in texts])
        base = table[model, length, f"{budget}, {arguments.over}" if arguments.over and fade else budget]
        figures = []
        for column in (0, 1):
            own = mean(lines, column)
            figures += interval(own) + interval(own - mean(base, column))
        out.writerow(
            [model, length, budget.removeprefix("fade "), change or ("none" if fade else ""), sum(map(len, lines.values()))]
            + [f"{x:.6f}" if change != (arguments.over or "") or place // 3 % 2 == 0 else "" for place, x in enumerate(figures)]
            + [f"{mean(lines, 2).mean():.5f}" if fade else ""] + [f"{x:.6f}" for x in mean(lines, 0)])


def joined(data):
    """As `joinLines` does."""
    return re.sub(rb"(?:\r?\n)+", lambda m: b" " if m.group().count(b"\n") == 1 else b"\n\n", data)


def tokens(model, text):
    data = (ROOT / f"experiments/corpora/{text}.txt").read_bytes()
    return token_ids(model, data if text == "code" else joined(data))


def token_ids(model, data):
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
                    figures = [*window.losses(setting(row)(window)), *window.shares]
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
    one.add_argument("--rows", nargs="+", type=known, metavar="ROW")
    one.add_argument("--out", required=True)
    one.set_defaults(go=run)
    two = commands.add_parser("summary", help="the table of findings, from what run wrote")
    two.add_argument("files", nargs="+")
    two.set_defaults(go=summary)
    three = commands.add_parser("means", help="means of one text's windows, from what run wrote")
    three.add_argument("files", nargs="+")
    three.set_defaults(go=means)
    four = commands.add_parser("fade", help="rows of fade, on texts")
    four.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    four.add_argument("--texts", nargs="+", required=True)
    four.add_argument("--long", type=int, default=6, help="windows of 8,192 tokens a text")
    four.add_argument("--short", type=int, default=8, help="windows of 2,048 tokens a text")
    four.add_argument("--rows", nargs="+", type=known, default=[])
    four.add_argument("--rows-of", help="a file that such a run wrote: its rows")
    four.set_defaults(go=fade_rows)
    four.add_argument("--path", help="the folder of the GGUF files, if not the catalogue's cache")
    four.add_argument("--out", required=True)
    five = commands.add_parser("needles", help="rows of fade, on RULER's needles")
    five.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    five.add_argument("--haystacks", nargs="+", default=["noise", "persuasion"])
    five.add_argument("--long", type=int, default=0, help="prompts of about 8,192 tokens a haystack")
    five.add_argument("--short", type=int, default=24, help="prompts of about 2,048 tokens a haystack")
    five.add_argument("--rows", nargs="+", type=lambda row: row if row == "exact" else known(row), required=True)
    five.add_argument("--path", help="the folder of the GGUF files, if not the catalogue's cache")
    five.add_argument("--out", required=True)
    five.set_defaults(go=needle_rows)
    for name, go in (("fade-means", fade_means), ("fade-verdict", fade_verdict), ("needle-means", needle_means)):
        command = commands.add_parser(name, help="means of what these wrote")
        command.add_argument("files", nargs="+")
        if go == fade_verdict:
            command.add_argument("--over", metavar="CHANGE", help="what rows are held against, if not the first fade")
        command.set_defaults(go=go)
    given = parser.parse_args()
    given.go(given)
