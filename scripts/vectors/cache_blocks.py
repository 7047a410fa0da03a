#!/usr/bin/env python3
"""Writes Tests/Golden/cache-blocks.safetensors: rows of floats, and the blocks of a quantised cache made of them.

The blocks come from ggml's Python package, which is independent of this repository:

    python3 -m pip install gguf==0.19.0 numpy safetensors
    python3 scripts/vectors/cache_blocks.py Tests/Golden/cache-blocks.safetensors

Tensors: `numbers` (rows x 96, F32), `q8_0` (rows x 102) and `q4_0` (rows x 54, bytes), and what the blocks stand for,
`q8_0.floats` and `q4_0.floats` (rows x 96, F32). Rows: normal numbers of many sizes, halves between two codes, both zeros,
one large number, equal magnitudes of both signs, steps beyond and below what half floats hold. The versions used are in
the metadata.
"""

import sys
from importlib.metadata import version

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

WIDTH = 96
random = np.random.default_rng(20260301)


def rows():
    """(rows x WIDTH) of floats."""
    for size in (1e-30, 1e-6, 1e-3, 0.1, 1, 3, 50, 1e4, 1e6):
        yield from random.standard_normal((6, WIDTH)) * size
    # Exactly between two codes: multiples of half a step where the largest is 127 or -8 steps.
    for step in (1, 0.25, 3 * 2.0**-9):
        halves = random.integers(-253, 254, WIDTH) / 2
        halves[::32] = 127
        yield halves * step
        halves = random.integers(-15, 16, WIDTH) / 2
        halves[5::32] = -8
        yield halves * step
        yield -halves * step
    yield np.zeros(WIDTH)
    yield -np.zeros(WIDTH)
    yield np.where(np.arange(WIDTH) % 2 == 0, -0.0, 0.0)
    yield np.where(np.arange(WIDTH) % 32 == 31, 1000, random.standard_normal(WIDTH))
    yield np.where(np.arange(WIDTH) % 32 < 2, [5, -5] * (WIDTH // 2), random.standard_normal(WIDTH))
    yield np.where(np.arange(WIDTH) % 32 < 2, [-5, 5] * (WIDTH // 2), random.standard_normal(WIDTH))
    yield np.full(WIDTH, 0.7)


numbers = np.float32(np.stack(list(rows())))
tensors = {"numbers": numbers}
for kind in (Type.Q8_0, Type.Q4_0):
    name = kind.name.lower()
    with np.errstate(over="ignore"):
        blocks = gguf.quants.quantize(numbers, kind)
    tensors[name] = blocks
    tensors[name + ".floats"] = gguf.quants.dequantize(blocks, kind)
save_file(
    tensors, sys.argv[1],
    metadata={"gguf": version("gguf"), "numpy": np.__version__, "script": "scripts/vectors/cache_blocks.py"},
)  # fmt: skip
